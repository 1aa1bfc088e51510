// A lasting relation to one libvirt daemon. It keeps three links open together (control with the events, long for slow
// calls, memory for those of minutes) and reopens all with backoff when one fails. While it is down every call fails at once: no observation, no
// action. It never repeats a call. If the process dies, the daemon notices the closed sockets and forgets the callbacks.
import type { CallOptions, ConsoleStream, DomainEvent, DomainRef, FlagSet, Libvirt } from './api.js';
import type { ArgsOf, ProcedureName, RetOf } from './call-table.js';
import { flagBits, fromRef } from './convert.js';
import { LibvirtBusy, LibvirtUnavailable } from './errors.js';
import { EVENTS, PROCEDURES } from './facts.js';
import { LIMITS } from './limits.js';
import { Link, type LinkOptions } from './link.js';
import { LibvirtStream } from './streams.js';
import { TypedCalls, type Lane } from './typed-calls.js';

/** Only `socketPath` is needed; times are in ms and default to LIMITS. */
export interface LibvirtConnectionOptions extends Partial<LinkOptions> {
  readonly socketPath: string;
  readonly controlCallMs?: number;
  readonly longCallMs?: number;
  readonly reconnectMinMs?: number;
  readonly reconnectMaxMs?: number;
}

interface Session {
  readonly control: Link;
  readonly long: Link;
  readonly memory: Link;
  /** Resolves with the reason when a link is gone; `reason` says it without waiting. */
  readonly over: Promise<Error>;
  reason: Error | undefined;
  close(reason: Error): void;
}

export class LibvirtConnection extends TypedCalls implements Libvirt {
  readonly #link: LinkOptions;
  readonly #options: { controlCallMs: number; longCallMs: number; reconnectMinMs: number; reconnectMaxMs: number };
  readonly #streams = new Set<Link>();
  #session: Session | undefined;
  #opening: Session | undefined;
  #running: Promise<void> | undefined;
  #closed = false;
  #wake: (() => void) | undefined;
  #lastError: Error = new LibvirtUnavailable('not connected to libvirt yet');

  constructor(options: LibvirtConnectionOptions) {
    super();
    this.#link = {
      uri: 'qemu:///system', connectMs: LIMITS.connectMs, inFlight: LIMITS.inFlightPerLink, queued: LIMITS.queuedPerLink, stuckMs: LIMITS.stuckMs,
      keepaliveIntervalMs: LIMITS.keepaliveIntervalMs, keepaliveCount: LIMITS.keepaliveCount, ...options,
    };
    const { controlCallMs, longCallMs, reconnectMinMs, reconnectMaxMs } = { ...LIMITS, ...options };
    this.#options = { controlCallMs, longCallMs, reconnectMinMs, reconnectMaxMs };
  }

  get isUp(): boolean {
    return this.#session !== undefined;
  }

  /** Why it is not up; undefined while it is. */
  get downReason(): Error | undefined {
    return this.isUp ? undefined : this.#lastError;
  }

  start(): void {
    if (!this.#closed) this.#running ??= this.#run();
  }

  waitUp(timeoutMs: number): Promise<void> {
    this.start();
    if (this.isUp) return Promise.resolve();
    if (this.#closed) return Promise.reject(this.#unavailable());
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.off('up', done);
        this.off('down', done);
        if (this.isUp) resolve();
        else reject(this.#unavailable());
      };
      const timer = setTimeout(done, timeoutMs);
      this.on('up', done);
      this.on('down', done); // also sent by close()
    });
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      const reason = new LibvirtUnavailable('the libvirt connection was closed');
      this.#lastError = reason;
      const wasUp = this.isUp;
      this.#opening?.close(reason);
      this.#session?.close(reason);
      for (const link of this.#streams) link.close(reason);
      this.#wake?.();
      if (!wasUp) this.emit('down', reason);
    }
    await this.#running;
  }

  async openConsole(domain: DomainRef, query: { readonly device?: string } & FlagSet<'console'> = {}, options?: CallOptions): Promise<ConsoleStream> {
    if (!this.#session) throw this.#unavailable();
    if (this.#streams.size >= LIMITS.streams) throw new LibvirtBusy(`${LIMITS.streams} console streams are open already`);
    const { device, ...flags } = query;
    const args = { dom: fromRef(domain), dev_name: device ?? null, flags: flagBits('console', flags) };
    const link: Link = new Link(this.#link, { onDown: () => void this.#streams.delete(link) });
    this.#streams.add(link);
    try {
      await link.open(false);
      const stream = new LibvirtStream(link, PROCEDURES.DOMAIN_OPEN_CONSOLE.number, this.#options.controlCallMs);
      stream.opened(await link.openStream('DOMAIN_OPEN_CONSOLE', args, stream, this.#timed('long', options)));
      return stream;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  protected invoke<P extends ProcedureName>(lane: Lane, procedure: P, args: ArgsOf<P>, options: CallOptions | undefined): Promise<RetOf<P>> {
    if (!this.#session) return Promise.reject(this.#unavailable());
    return this.#session[lane].call(procedure, args, this.#timed(lane, options));
  }

  #timed(lane: Lane, options: CallOptions | undefined): { timeoutMs: number; signal: AbortSignal | undefined } {
    return { timeoutMs: options?.timeoutMs ?? (lane === 'control' ? this.#options.controlCallMs : this.#options.longCallMs), signal: options?.signal };
  }

  #unavailable(): LibvirtUnavailable {
    return new LibvirtUnavailable(`libvirt is not reachable: ${this.#lastError.message}`, 'not-sent', { cause: this.#lastError });
  }

  async #run(): Promise<void> {
    const { reconnectMinMs, reconnectMaxMs } = this.#options;
    let delay = reconnectMinMs;
    while (!this.#closed) {
      const session = this.#makeSession();
      try {
        await this.#open(session);
      } catch (error) {
        this.#lastError = error as Error;
        await this.#sleep(delay);
        delay = Math.min(delay * 2, reconnectMaxMs);
        continue;
      }
      const since = performance.now();
      this.emit('up');
      const reason = await session.over;
      this.#session = undefined;
      if (!this.#closed) this.#lastError = reason;
      for (const link of this.#streams) link.close(reason);
      this.emit('down', reason);
      // A daemon that accepts and drops us must not be hammered: only a session that lasted resets the backoff.
      delay = performance.now() - since >= reconnectMaxMs ? reconnectMinMs : Math.min(delay * 2, reconnectMaxMs);
      await this.#sleep(delay);
    }
  }

  #makeSession(): Session {
    let finish!: (reason: Error) => void;
    const over = new Promise<Error>((resolve) => (finish = resolve));
    const onDown = (reason: Error): void => {
      if (session.reason) return;
      session.reason = reason;
      control.close(reason);
      long.close(reason);
      memory.close(reason);
      // Calls must fail at once from here on, not a turn of the event loop later.
      if (this.#session === session) this.#session = undefined;
      finish(reason);
    };
    // What happened before 'up' is seen by the observation that 'up' asks for.
    const onEvent = (event: DomainEvent): void => void (this.#session === session && this.emit('event', event));
    const control = new Link(this.#link, { onEvent, onDown });
    const long = new Link(this.#link, { onDown });
    const memory = new Link(this.#link, { onDown });
    const session: Session = { control, long, memory, over, reason: undefined, close: onDown };
    return session;
  }

  /** Opens all links, registers for events and makes the session current, in the same breath as it stops being "opening". */
  async #open(session: Session): Promise<void> {
    this.#opening = session;
    try {
      await Promise.all([session.control.open(), session.long.open(), session.memory.open()]);
      for (const { id } of Object.values(EVENTS)) {
        await session.control.call('CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY', { eventID: id, dom: null }, { timeoutMs: this.#link.connectMs });
      }
      if (session.reason) throw session.reason;
      this.#session = session;
    } catch (error) {
      session.close(error as Error);
      throw error;
    } finally {
      this.#opening = undefined;
    }
  }

  /** Waits, with jitter so that a hundred agents of one restarted machine do not come back in step. */
  #sleep(ms: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms * (0.5 + Math.random() / 2));
      this.#wake = done;
    });
  }
}
