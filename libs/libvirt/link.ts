// One connection to a libvirt daemon: socket, handshake, and where each arriving packet goes. A link is used once: when
// it fails, everything on it fails and its owner opens another.
import { connect, type Socket } from 'node:net';
import type { DomainEvent } from './api.js';
import { CallTable, type ArgsOf, type ProcedureName, type RetOf, type TimedCall } from './call-table.js';
import { LibvirtArgumentError, LibvirtError, LibvirtProtocolError, LibvirtTimeout, LibvirtUnavailable } from './errors.js';
import { decodeEvent } from './events.js';
import { MESSAGE_TYPE, PROGRAMS } from './facts.js';
import { FrameDecoder, type Packet } from './framing.js';
import { Keepalive } from './keepalive.js';
import { LIMITS } from './limits.js';

/** What a link needs to know; the defaults are LIMITS. */
export interface LinkOptions {
  readonly socketPath: string;
  /** The driver's URI as the daemon knows it, e.g. "qemu:///system". */
  readonly uri: string;
  readonly connectMs: number;
  readonly inFlight: number;
  readonly queued: number;
  readonly stuckMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCount: number;
}

export interface LinkHandlers {
  onEvent?(event: DomainEvent): void;
  /** Once, with the reason. After it nothing else is called. */
  onDown(reason: Error): void;
}

export interface StreamHandler {
  onStreamPacket(packet: Packet): void;
  onLinkDown(reason: Error): void;
}

const AUTH_NONE = 0;
const FEATURE_KEEPALIVE = 10; // tells the daemon that it may ping us, so that it notices when we are gone

export class Link {
  readonly #decoder = new FrameDecoder();
  readonly #calls: CallTable;
  readonly #keepalive: Keepalive;
  readonly #streams = new Map<number, StreamHandler>();
  #socket: Socket | undefined;
  #down: Error | undefined;
  #corked = false;

  constructor(
    private readonly options: LinkOptions,
    private readonly handlers: LinkHandlers,
  ) {
    const send = (frame: Buffer): void => this.send(frame);
    this.#calls = new CallTable({
      inFlight: options.inFlight, queued: options.queued, stuckMs: options.stuckMs, send,
      onStuck: () => this.#fail(new LibvirtUnavailable(`libvirt holds ${options.inFlight} calls and has answered none for ${options.stuckMs} ms`)),
    });
    this.#keepalive = new Keepalive({
      intervalMs: options.keepaliveIntervalMs, count: options.keepaliveCount, send,
      onDead: () => this.#fail(new LibvirtUnavailable('libvirt stopped answering keepalives')),
    });
  }

  /**
   * Connects, agrees on "no authentication" (the socket's file mode is the guard) and opens the driver.
   * @param keepalive false for a link whose reading may pause: nobody could answer pings there
   */
  async open(keepalive = true): Promise<void> {
    const { socketPath, uri, connectMs } = this.options;
    if (Buffer.byteLength(socketPath) > LIMITS.socketPathBytes) throw new LibvirtArgumentError(`socket path over ${LIMITS.socketPathBytes} bytes: ${socketPath}`);
    const until = performance.now() + connectMs;
    const call = (): TimedCall => ({ timeoutMs: Math.max(1, until - performance.now()) });
    try {
      await this.#connect(connectMs);
      const { types } = await this.call('AUTH_LIST', null, call());
      if (!types.includes(AUTH_NONE)) throw new LibvirtUnavailable(`libvirt at ${socketPath} wants authentication: run as root or set auth_unix_rw = "none"`);
      await this.call('CONNECT_OPEN', { name: uri, flags: 0 }, call());
      if (keepalive) {
        await this.call('CONNECT_SUPPORTS_FEATURE', { feature: FEATURE_KEEPALIVE }, call());
        this.#keepalive.start();
      }
    } catch (error) {
      const reason = this.#down ?? (error instanceof LibvirtTimeout ? new LibvirtUnavailable(`libvirt at ${socketPath} did not open ${uri} within ${connectMs} ms`, 'not-sent', { cause: error })
        : error instanceof LibvirtError ? new LibvirtUnavailable(`libvirt at ${socketPath} refused ${uri}: ${error.message}`, 'not-sent', { cause: error })
        : (error as Error));
      this.close(reason);
      throw reason;
    }
  }

  call<P extends ProcedureName>(procedure: P, args: ArgsOf<P>, call: TimedCall): Promise<RetOf<P>> {
    return this.#calls.call(procedure, args, call);
  }

  /** A call that opens a stream: its packets go to `handler`, from the first one on. Resolves to the stream's serial. */
  async openStream<P extends ProcedureName>(procedure: P, args: ArgsOf<P>, handler: StreamHandler, call: TimedCall): Promise<number> {
    let serial = 0;
    try {
      await this.#calls.call(procedure, args, { ...call, onSend: (sent) => this.#streams.set((serial = sent), handler) });
    } catch (error) {
      this.#streams.delete(serial);
      throw error;
    }
    return serial;
  }

  /** Writes one frame. `written` runs when the kernel has taken it (back-pressure for streams). */
  send(frame: Buffer, written?: (error?: Error | null) => void): void {
    const socket = this.#socket;
    if (!socket || this.#down) {
      written?.(this.#down ?? new LibvirtUnavailable('not connected'));
      return;
    }
    if (!this.#corked) {
      // Frames of one turn of the event loop leave in one write.
      this.#corked = true;
      socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    socket.write(frame, written);
    if (socket.writableLength > LIMITS.sendBufferBytes) this.#fail(new LibvirtUnavailable('libvirt does not read what is sent'));
  }

  /** Only for a link that carries one stream and nothing else. */
  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  close(reason: Error = new LibvirtUnavailable('the connection was closed')): void {
    this.#fail(reason);
  }

  #connect(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path: this.options.socketPath });
      this.#socket = socket;
      const timer = setTimeout(() => this.#fail(new LibvirtUnavailable(`no connection to ${this.options.socketPath} within ${timeoutMs} ms`)), timeoutMs);
      socket.once('connect', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.on('data', (chunk) => this.#onData(chunk));
      socket.on('error', (cause) => this.#fail(new LibvirtUnavailable(`${this.options.socketPath}: ${cause.message}`, 'not-sent', { cause })));
      socket.on('close', () => {
        clearTimeout(timer);
        this.#fail(new LibvirtUnavailable('libvirt closed the connection'));
        reject(this.#down!); // ignored once connected
      });
    });
  }

  #onData(chunk: Buffer): void {
    this.#keepalive.heard();
    try {
      this.#decoder.push(chunk, (packet) => {
        if (!this.#down) this.#onPacket(packet);
      });
    } catch (error) {
      if (!(error instanceof LibvirtProtocolError)) throw error;
      this.#fail(error);
    }
  }

  #onPacket(packet: Packet): void {
    if (packet.prog === PROGRAMS.keepalive.program) return this.#keepalive.onPacket(packet);
    if (packet.prog !== PROGRAMS.remote.program || packet.vers !== PROGRAMS.remote.version) throw new LibvirtProtocolError(`program ${packet.prog.toString(16)} version ${packet.vers}`);
    switch (packet.type) {
      case MESSAGE_TYPE.reply:
        return this.#calls.onReply(packet);
      case MESSAGE_TYPE.message: {
        const event = decodeEvent(packet);
        if (event) this.handlers.onEvent?.(event);
        return;
      }
      case MESSAGE_TYPE.stream:
        // Data for a stream that was just given up is on its way still: not an error.
        this.#streams.get(packet.serial)?.onStreamPacket(packet);
        return;
      default:
        throw new LibvirtProtocolError(`a message of type ${packet.type} from the daemon`);
    }
  }

  #fail(reason: Error): void {
    if (this.#down) return;
    this.#down = reason;
    this.#keepalive.stop();
    this.#socket?.destroy();
    this.#calls.fail(reason);
    for (const stream of this.#streams.values()) stream.onLinkDown(reason);
    this.#streams.clear();
    this.handlers.onDown(reason);
  }
}
