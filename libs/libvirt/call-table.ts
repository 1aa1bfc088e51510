// The calls of one link: matched to replies by serial, bounded in number, each with a deadline. A call whose deadline
// passed keeps its slot until its reply comes, because the daemon is still working on it.
import { LibvirtBusy, LibvirtError, LibvirtProtocolError, LibvirtTimeout, LibvirtUnavailable } from './errors.js';
import { MESSAGE, MESSAGE_STATUS, MESSAGE_TYPE, PROCEDURES, PROGRAMS } from './facts.js';
import { encodeFrame, type Packet } from './framing.js';
import { decodeUntyped, decodeXdr, type XdrType, type XdrValue } from './xdr.js';

export type ProcedureName = keyof typeof PROCEDURES;
type Facts = typeof PROCEDURES;
// Tables, not conditional types of an open P: TypeScript resolves each procedure once.
interface Table { readonly args: { readonly [P in ProcedureName]: ValueOr<Facts[P]['args']> }; readonly ret: { readonly [P in ProcedureName]: ValueOr<Facts[P]['ret']> } }
type ValueOr<T> = T extends null ? null : XdrValue<T>;
export type ArgsOf<P extends ProcedureName> = Table['args'][P];
export type RetOf<P extends ProcedureName> = Table['ret'][P];

export interface CallTableOptions {
  readonly inFlight: number;
  readonly queued: number;
  readonly stuckMs: number;
  send(frame: Buffer): void;
  /** All slots are held by calls nobody waits for any more, and none was answered for `stuckMs`. */
  onStuck(): void;
}

export interface TimedCall {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Runs just before the call's bytes leave: stream data may follow its reply at once. */
  readonly onSend?: ((serial: number) => void) | undefined;
}

interface Pending {
  readonly procedure: ProcedureName;
  readonly frame: (serial: number) => Buffer;
  readonly call: TimedCall;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  timer: NodeJS.Timeout | undefined;
  onAbort: (() => void) | undefined;
  settled: boolean;
}

/** Decodes the error body of a refused call or stream. */
export function decodeError(payload: Buffer, procedure?: string): LibvirtError {
  const body = decodeXdr(MESSAGE.error, payload);
  return new LibvirtError(body.code, body.message ?? 'libvirt gave no reason', body.domain, body.level, procedure);
}

export class CallTable {
  readonly #sent = new Map<number, Pending>();
  readonly #queue = new Set<Pending>();
  #abandoned = 0;
  #serial = 0;
  #stuck: NodeJS.Timeout | undefined;
  #dead: Error | undefined;

  constructor(private readonly options: CallTableOptions) {}

  get waiting(): number {
    return this.#sent.size + this.#queue.size;
  }

  call<P extends ProcedureName>(procedure: P, args: ArgsOf<P>, call: TimedCall): Promise<RetOf<P>> {
    return new Promise((resolve, reject) => {
      if (this.#dead) throw new LibvirtUnavailable(this.#dead.message, 'not-sent', { cause: this.#dead });
      call.signal?.throwIfAborted();
      if (this.#queue.size >= this.options.queued) throw new LibvirtBusy(`${this.#queue.size} calls wait for libvirt already; ${procedure} was not sent`);
      const { number, args: type } = PROCEDURES[procedure] as { number: number; args: XdrType | null };
      // Encoded at once, so that a bad argument is the caller's error and never half of a message; the serial is patched in later.
      const frame = encodeFrame(
        { prog: PROGRAMS.remote.program, vers: PROGRAMS.remote.version, proc: number, type: MESSAGE_TYPE.call, serial: 0, status: MESSAGE_STATUS.ok },
        type,
        args,
      );
      const pending: Pending = {
        procedure, call, reject, resolve: resolve as (value: unknown) => void, timer: undefined, onAbort: undefined, settled: false,
        frame: (serial) => {
          frame.writeUInt32BE(serial, 20);
          return frame;
        },
      };
      pending.timer = setTimeout(() => this.#giveUp(pending, (outcome) => new LibvirtTimeout(procedure, call.timeoutMs, outcome)), call.timeoutMs);
      if (call.signal) {
        pending.onAbort = () => this.#giveUp(pending, () => call.signal!.reason);
        call.signal.addEventListener('abort', pending.onAbort, { once: true });
      }
      this.#queue.add(pending);
      this.#pump();
    });
  }

  /** Takes a REPLY packet. @throws LibvirtProtocolError when it answers nothing or cannot be read */
  onReply(packet: Packet): void {
    const pending = this.#sent.get(packet.serial);
    if (!pending) throw new LibvirtProtocolError(`a reply to serial ${packet.serial}, which was not asked`);
    const facts = PROCEDURES[pending.procedure] as { number: number; ret: XdrType | null };
    if (packet.proc !== facts.number) throw new LibvirtProtocolError(`serial ${packet.serial} asked procedure ${facts.number}, the reply is for ${packet.proc}`);
    let refusal: LibvirtError | undefined;
    let value: unknown = null;
    if (packet.status === MESSAGE_STATUS.error) refusal = decodeError(packet.payload, pending.procedure);
    else if (packet.status !== MESSAGE_STATUS.ok) throw new LibvirtProtocolError(`a reply with status ${packet.status}`);
    else if (facts.ret) value = decodeUntyped(facts.ret, packet.payload);
    else if (packet.payload.length > 0) throw new LibvirtProtocolError(`${packet.payload.length} bytes in the empty reply to ${pending.procedure}`);
    this.#sent.delete(packet.serial);
    if (pending.settled) this.#abandoned--;
    clearTimeout(this.#stuck);
    this.#stuck = undefined;
    if (!pending.settled) {
      this.#settle(pending);
      if (refusal) pending.reject(refusal);
      else pending.resolve(value);
    }
    this.#pump();
    this.#watchStuck();
  }

  /** Fails everything, now and later. Calls that were sent have an unknown outcome. */
  fail(error: Error): void {
    this.#dead ??= error;
    clearTimeout(this.#stuck);
    for (const [group, outcome] of [[this.#queue, 'not-sent'], [this.#sent.values(), 'unknown']] as const) {
      for (const pending of [...group]) {
        if (pending.settled) continue;
        this.#settle(pending);
        pending.reject(new LibvirtUnavailable(`${pending.procedure}: ${error.message}`, outcome, { cause: error }));
      }
    }
    this.#queue.clear();
    this.#sent.clear();
  }

  #pump(): void {
    for (const pending of this.#queue) {
      if (this.#sent.size >= this.options.inFlight) return;
      this.#queue.delete(pending);
      this.#serial = this.#serial === 0xffff_ffff ? 1 : this.#serial + 1;
      this.#sent.set(this.#serial, pending);
      pending.call.onSend?.(this.#serial);
      this.options.send(pending.frame(this.#serial));
      if (this.#dead) return;
    }
  }

  #settle(pending: Pending): void {
    pending.settled = true;
    clearTimeout(pending.timer);
    if (pending.onAbort) pending.call.signal?.removeEventListener('abort', pending.onAbort);
  }

  #giveUp(pending: Pending, error: (outcome: 'not-sent' | 'unknown') => unknown): void {
    if (pending.settled) return;
    this.#settle(pending);
    const queued = this.#queue.delete(pending);
    if (!queued) this.#abandoned++;
    pending.reject(error(queued ? 'not-sent' : 'unknown'));
    this.#watchStuck();
  }

  #watchStuck(): void {
    if (this.#dead || this.#stuck || this.#abandoned < this.options.inFlight) return;
    this.#stuck = setTimeout(() => this.options.onStuck(), this.options.stuckMs);
  }
}
