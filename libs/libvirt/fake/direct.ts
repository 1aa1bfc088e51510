// The in-memory hypervisor as a `Libvirt`, without a socket: for simulations where even a socket is too much.
import { Duplex } from 'node:stream';
import type { CallOptions, ConsoleStream, DomainRef, FlagSet, Libvirt } from '../api.js';
import type { ArgsOf, ProcedureName, RetOf } from '../call-table.js';
import { flagBits, fromRef } from '../convert.js';
import { LibvirtError, LibvirtTimeout, LibvirtUnavailable } from '../errors.js';
import { PROCEDURES } from '../facts.js';
import { LIMITS } from '../limits.js';
import { TypedCalls, type Lane } from '../typed-calls.js';
import { encodeUntyped, type XdrType } from '../xdr.js';
import type { FakeHypervisor } from './hypervisor.js';

export class FakeLibvirt extends TypedCalls implements Libvirt {
  #up = false;
  #closed = false;
  #reason: Error = new LibvirtUnavailable('not connected');
  #unsubscribe: (() => void) | undefined;
  readonly #lost = new Set<(reason: LibvirtUnavailable) => void>();

  constructor(readonly hypervisor: FakeHypervisor) {
    super();
  }

  get isUp(): boolean {
    return this.#up;
  }

  get downReason(): Error | undefined {
    return this.#up ? undefined : this.#reason;
  }

  start(): void {
    if (this.#up || this.#closed) return;
    this.#up = true;
    this.#unsubscribe = this.hypervisor.onEvent((event) => this.emit('event', event));
    this.emit('up');
  }

  waitUp(): Promise<void> {
    this.start();
    return this.#up ? Promise.resolve() : Promise.reject(new LibvirtUnavailable('the libvirt connection was closed'));
  }

  /** The connection breaks; start() brings it back. */
  disconnect(reason = new LibvirtUnavailable('libvirt closed the connection', 'unknown')): void {
    if (!this.#up) return;
    this.#up = false;
    this.#reason = reason;
    this.#unsubscribe?.();
    for (const lose of [...this.#lost]) lose(reason);
    this.emit('down', reason);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.disconnect(new LibvirtUnavailable('the libvirt connection was closed', 'unknown'));
  }

  async openConsole(domain: DomainRef, query: { readonly device?: string } & FlagSet<'console'> = {}): Promise<ConsoleStream> {
    if (!this.#up) throw new LibvirtUnavailable(`libvirt is not reachable: ${this.#reason.message}`);
    const { device, ...flags } = query;
    const args = { dom: fromRef(domain), dev_name: device ?? null, flags: flagBits('console', flags) };
    const lose = (reason: LibvirtUnavailable): void => void duplex.destroy(reason);
    const duplex = new Duplex({
      allowHalfOpen: false,
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        console.write(chunk);
        done();
      },
      final: (done) => {
        duplex.push(null); // the protocol has no half-closed streams
        done();
      },
      destroy: (error, done) => {
        this.#lost.delete(lose);
        console.close();
        done(error);
      },
    });
    const console = this.hypervisor.openConsole(args, { onData: (data) => void duplex.push(data), onEnd: () => void duplex.push(null) });
    this.#lost.add(lose);
    return duplex;
  }

  protected invoke<P extends ProcedureName>(lane: Lane, procedure: P, args: ArgsOf<P>, options: CallOptions | undefined): Promise<RetOf<P>> {
    return new Promise((resolve, reject) => {
      if (!this.#up) throw new LibvirtUnavailable(`libvirt is not reachable: ${this.#reason.message}`);
      options?.signal?.throwIfAborted();
      // The wire would refuse some values (a NUL in a name, too long an XML): so does this.
      const { args: type } = PROCEDURES[procedure] as { args: XdrType | null };
      if (type) encodeUntyped(type, args);
      this.hypervisor.count(procedure);
      const fault = this.hypervisor.faults.take(procedure);
      const delay = fault?.kind === 'delay' ? fault.ms : this.hypervisor.latencyOf(procedure);
      if (delay === 0 && fault === undefined) return resolve(this.hypervisor.handle(procedure, args));

      const timeoutMs = options?.timeoutMs ?? (lane === 'control' ? LIMITS.controlCallMs : LIMITS.longCallMs);
      const abort = (): void => settle(() => reject(options!.signal!.reason as Error));
      const lose = (reason: LibvirtUnavailable): void => settle(() => reject(reason));
      const settle = (finish: () => void): void => {
        cancelTimeout();
        options?.signal?.removeEventListener('abort', abort);
        this.#lost.delete(lose);
        finish();
      };
      const act = (): void => {
        if (fault?.kind === 'error') return settle(() => reject(new LibvirtError(fault.code, fault.message ?? `injected error ${fault.code}`, 10, 2, procedure)));
        const early = (fault?.kind === 'drop' || fault?.kind === 'hang') && fault.when === 'before';
        let outcome: () => void = () => undefined;
        if (!early) {
          try {
            const value = this.hypervisor.handle(procedure, args);
            outcome = () => resolve(value);
          } catch (error) {
            outcome = () => reject(error as Error);
          }
        }
        if (fault?.kind === 'drop') this.disconnect();
        else if (fault?.kind !== 'hang') settle(outcome);
      };
      const cancelTimeout = this.hypervisor.after(timeoutMs, () => settle(() => reject(new LibvirtTimeout(procedure, timeoutMs, 'unknown'))));
      options?.signal?.addEventListener('abort', abort, { once: true });
      this.#lost.add(lose);
      if (delay > 0) this.hypervisor.after(delay, act);
      else act();
    });
  }
}
