// Keepalive of one link: answers the daemon's pings, sends our own, and calls the link dead when several in a row stay
// unanswered. Any traffic counts as an answer. It counts ticks, not time: if our own process slept, that is one tick.
import { LibvirtProtocolError } from './errors.js';
import { KEEPALIVE, MESSAGE_STATUS, MESSAGE_TYPE, PROGRAMS } from './facts.js';
import { encodeFrame, type Packet } from './framing.js';

export function keepaliveFrame(proc: number): Buffer {
  return encodeFrame(
    { prog: PROGRAMS.keepalive.program, vers: PROGRAMS.keepalive.version, proc, type: MESSAGE_TYPE.message, serial: 0, status: MESSAGE_STATUS.ok },
    null,
    null,
  );
}

export interface KeepaliveOptions {
  readonly intervalMs: number;
  /** Unanswered ticks until death. */
  readonly count: number;
  send(frame: Buffer): void;
  onDead(): void;
}

export class Keepalive {
  #timer: NodeJS.Timeout | undefined;
  #unanswered = 0;

  constructor(private readonly options: KeepaliveOptions) {}

  start(): void {
    this.#timer = setInterval(() => {
      if (this.#unanswered >= this.options.count) this.options.onDead();
      else {
        // The first quiet tick only counts; pings start when nothing was heard for a whole interval.
        if (this.#unanswered++ > 0 || this.options.count === 1) this.options.send(keepaliveFrame(KEEPALIVE.ping));
      }
    }, this.options.intervalMs);
  }

  /** Something arrived. */
  heard(): void {
    this.#unanswered = 0;
  }

  onPacket(packet: Packet): void {
    if (packet.type !== MESSAGE_TYPE.message || packet.payload.length > 0) throw new LibvirtProtocolError('malformed keepalive');
    if (packet.proc === KEEPALIVE.ping) this.options.send(keepaliveFrame(KEEPALIVE.pong));
    else if (packet.proc !== KEEPALIVE.pong) throw new LibvirtProtocolError(`keepalive procedure ${packet.proc}`);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
