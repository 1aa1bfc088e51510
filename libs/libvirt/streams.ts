// A libvirt stream as a Node Duplex. It has a link of its own: a slow reader pauses that socket and nothing else, and a
// guest that does not read its console blocks that socket and nothing else.
import { Duplex } from 'node:stream';
import { decodeError } from './call-table.js';
import { LibvirtProtocolError, LibvirtUnavailable } from './errors.js';
import { MESSAGE_STATUS, MESSAGE_TYPE, PROGRAMS, WIRE_LIMITS } from './facts.js';
import { encodeRawFrame, type Packet } from './framing.js';
import type { Link, StreamHandler } from './link.js';

const EMPTY = new Uint8Array(0);

export class LibvirtStream extends Duplex implements StreamHandler {
  #serial = 0;
  #ended = false; // the daemon's side is over
  #finished: ((error?: Error | null) => void) | undefined;

  constructor(
    private readonly link: Link,
    private readonly procedure: number,
    private readonly finishMs: number,
  ) {
    // allowHalfOpen false: when the guest's side ends, finish ours too. The protocol has no half-closed streams.
    super({ allowHalfOpen: false, decodeStrings: true });
  }

  /** Called once with the serial of the call that opened it. */
  opened(serial: number): void {
    this.#serial = serial;
  }

  onStreamPacket(packet: Packet): void {
    if (packet.proc !== this.procedure) throw new LibvirtProtocolError(`stream of procedure ${this.procedure} got a packet of ${packet.proc}`);
    switch (packet.status) {
      case MESSAGE_STATUS.continue:
        if (this.#ended) return;
        if (packet.payload.length === 0) this.#end();
        // A copy: a reader may hold the bytes long after the packet's memory is gone.
        else if (!this.push(Buffer.from(packet.payload))) this.link.pause();
        return;
      case MESSAGE_STATUS.error:
        this.destroy(decodeError(packet.payload));
        return;
      default:
        this.#end();
        this.#finished?.();
    }
  }

  onLinkDown(reason: Error): void {
    if (this.#finished) this.#finished();
    else this.destroy(reason instanceof LibvirtUnavailable ? reason : new LibvirtUnavailable(reason.message, 'unknown', { cause: reason }));
  }

  override _read(): void {
    this.link.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const most = WIRE_LIMITS.streamData;
    let at = 0;
    do {
      const piece = chunk.subarray(at, at + most);
      at += most;
      // The kernel takes the frame when the daemon reads: that is the back-pressure. An empty write would mean EOF.
      const last = at >= chunk.length;
      if (piece.length === 0) done();
      else this.link.send(this.#frame(MESSAGE_STATUS.continue, piece), last ? done : undefined);
    } while (at < chunk.length);
  }

  override _final(done: (error?: Error | null) => void): void {
    const timer = setTimeout(() => this.#finished?.(), this.finishMs);
    this.#finished = (error) => {
      this.#finished = undefined;
      clearTimeout(timer);
      this.#end();
      done(error);
    };
    this.link.resume(); // the confirmation may wait behind unread data
    this.link.send(this.#frame(MESSAGE_STATUS.ok, EMPTY), (error) => {
      if (error) this.#finished?.();
    });
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // Closing the link ends the stream in any case; the abort only lets the daemon say so in its log.
    if (!this.writableFinished) this.link.send(this.#frame(MESSAGE_STATUS.error, EMPTY), () => this.link.close());
    else this.link.close();
    done(error);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.push(null);
  }

  #frame(status: number, payload: Uint8Array): Buffer {
    return encodeRawFrame(
      { prog: PROGRAMS.remote.program, vers: PROGRAMS.remote.version, proc: this.procedure, type: MESSAGE_TYPE.stream, serial: this.#serial, status },
      payload,
    );
  }
}
