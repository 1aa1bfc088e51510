// Consoles of the fake's guests: one reader at a time, as libvirt has it; what is printed without a reader is lost.
import type { DomainRef } from '../api.js';
import { LibvirtError } from '../errors.js';
import { ERR } from './rules.js';

export interface ConsoleSink {
  onData(data: Buffer): void;
  /** The guest stopped, or another reader took over. */
  onEnd(): void;
}

export class FakeConsoles {
  readonly #open = new Map<string, ConsoleSink>(); // by uuid

  constructor(private readonly answer: (domain: DomainRef, input: Buffer) => string | Uint8Array | null) {}

  attach(domain: DomainRef, sink: ConsoleSink, force: boolean): { write(data: Buffer): void; close(): void } {
    const other = this.#open.get(domain.uuid);
    if (other && !force) throw new LibvirtError(ERR.OPERATION_FAILED, 'operation failed: Active console session exists for this domain', 10);
    other?.onEnd();
    this.#open.set(domain.uuid, sink);
    const mine = (): boolean => this.#open.get(domain.uuid) === sink;
    return {
      write: (data) => {
        if (!mine()) return;
        const answer = this.answer(domain, data);
        if (answer !== null) this.write(domain.uuid, answer);
      },
      close: () => {
        if (mine()) this.#open.delete(domain.uuid);
      },
    };
  }

  write(uuid: string, data: string | Uint8Array): void {
    const bytes = Buffer.from(data as Uint8Array);
    if (bytes.length > 0) this.#open.get(uuid)?.onData(bytes);
  }

  end(uuid: string): void {
    const sink = this.#open.get(uuid);
    this.#open.delete(uuid);
    sink?.onEnd();
  }
}
