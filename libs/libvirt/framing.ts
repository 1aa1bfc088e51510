// Frames on the wire: a length word that counts itself, a 24-byte header, a payload. Both ends use this file.
import { LibvirtProtocolError } from './errors.js';
import { MESSAGE_STATUS, MESSAGE_TYPE, WIRE_LIMITS } from './facts.js';
import { encodeUntyped, type XdrType } from './xdr.js';

export interface PacketHeader {
  readonly prog: number;
  readonly vers: number;
  readonly proc: number;
  readonly type: number;
  readonly serial: number;
  readonly status: number;
}

export interface Packet extends PacketHeader {
  /** A view of the received bytes. */
  readonly payload: Buffer;
}

const PREFIX = 4 + WIRE_LIMITS.header;
const TYPES: ReadonlySet<number> = new Set(Object.values(MESSAGE_TYPE));
const STATUSES: ReadonlySet<number> = new Set(Object.values(MESSAGE_STATUS));

function finish(frame: Buffer, header: PacketHeader): Buffer {
  frame.writeUInt32BE(frame.length, 0);
  frame.writeUInt32BE(header.prog, 4);
  frame.writeUInt32BE(header.vers, 8);
  frame.writeInt32BE(header.proc, 12);
  frame.writeInt32BE(header.type, 16);
  frame.writeUInt32BE(header.serial, 20);
  frame.writeInt32BE(header.status, 24);
  return frame;
}

/** A whole frame whose payload is `value` encoded as `type`; a null type has no payload. */
export function encodeFrame(header: PacketHeader, type: XdrType | null, value: unknown): Buffer {
  return finish(type === null ? Buffer.alloc(PREFIX) : encodeUntyped(type, value, PREFIX), header);
}

/** A whole frame with raw bytes: stream data. */
export function encodeRawFrame(header: PacketHeader, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX + payload.length);
  frame.set(payload, PREFIX);
  return finish(frame, header);
}

/**
 * Cuts a byte stream into packets. Holds at most one incomplete frame; joins its pieces once, when it is complete.
 * Throws only LibvirtProtocolError, and then stays broken: what follows a bad length cannot be trusted.
 */
export class FrameDecoder {
  #pieces: Buffer[] = [];
  #have = 0;
  #want = 4;
  #broken: LibvirtProtocolError | undefined;

  push(chunk: Buffer, onPacket: (packet: Packet) => void): void {
    if (this.#broken) throw this.#broken;
    let rest = chunk;
    if (this.#have > 0) {
      this.#pieces.push(chunk);
      this.#have += chunk.length;
      if (this.#have < this.#want) return;
      rest = Buffer.concat(this.#pieces, this.#have);
      this.#pieces = [];
      this.#have = 0;
    }
    let at = 0;
    this.#want = 4;
    while (rest.length - at >= 4) {
      const length = rest.readUInt32BE(at);
      if (length < PREFIX || length > WIRE_LIMITS.frame) throw this.#fail(`frame of ${length} bytes`);
      if (rest.length - at < length) {
        this.#want = length;
        break;
      }
      const packet = this.#packet(rest.subarray(at, at + length));
      at += length;
      onPacket(packet);
    }
    if (at < rest.length) {
      this.#pieces = [rest.subarray(at)];
      this.#have = rest.length - at;
    }
  }

  #packet(frame: Buffer): Packet {
    const type = frame.readInt32BE(16);
    const status = frame.readInt32BE(24);
    if (!TYPES.has(type)) throw this.#fail(`message type ${type}`);
    if (!STATUSES.has(status)) throw this.#fail(`message status ${status}`);
    return {
      prog: frame.readUInt32BE(4),
      vers: frame.readUInt32BE(8),
      proc: frame.readInt32BE(12),
      type,
      serial: frame.readUInt32BE(20),
      status,
      payload: frame.subarray(PREFIX),
    };
  }

  #fail(what: string): LibvirtProtocolError {
    this.#broken = new LibvirtProtocolError(`not libvirt's protocol: ${what}`);
    this.#pieces = [];
    this.#have = 0;
    return this.#broken;
  }
}
