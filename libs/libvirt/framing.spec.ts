import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LibvirtProtocolError } from './errors.js';
import { encodeRawFrame, FrameDecoder, type Packet } from './framing.js';

const HEADER = { prog: 0x20008086, vers: 1, proc: 1, type: 0, serial: 1, status: 0 };

const packets = fc.array(
  fc.record({
    prog: fc.nat({ max: 0xffff_ffff }), vers: fc.nat(), proc: fc.integer({ min: -5, max: 500 }), type: fc.constantFrom(0, 1, 2, 3, 6), serial: fc.nat({ max: 0xffff_ffff }),
    status: fc.constantFrom(0, 1, 2), payload: fc.uint8Array({ maxLength: 40 }),
  }, { noNullPrototype: true }),
  { maxLength: 6 },
);

function feed(decoder: FrameDecoder, bytes: Buffer, cuts: readonly number[]): Packet[] {
  const out: Packet[] = [];
  let at = 0;
  for (const cut of cuts) {
    decoder.push(bytes.subarray(at, Math.min(at + cut, bytes.length)), (packet) => out.push(packet));
    at = Math.min(at + cut, bytes.length);
  }
  decoder.push(bytes.subarray(at), (packet) => out.push(packet));
  return out;
}

describe('framing', () => {
  it('finds the packets however the bytes are cut', () => {
    fc.assert(
      fc.property(packets, fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 30 }), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map(({ payload, ...header }) => encodeRawFrame(header, payload)));
        const got = feed(new FrameDecoder(), bytes, cuts);
        expect(got.map(({ payload, ...header }) => ({ ...header, payload: new Uint8Array(payload) }))).toEqual(sent);
      }),
    );
  });

  it('throws nothing but LibvirtProtocolError on any bytes, and stays broken then', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 8 }), (chunks) => {
        const decoder = new FrameDecoder();
        let broken = false;
        for (const chunk of chunks) {
          try {
            decoder.push(Buffer.from(chunk), () => undefined);
            expect(broken).toBe(false);
          } catch (error) {
            expect(error).toBeInstanceOf(LibvirtProtocolError);
            broken = true;
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('survives damage to a good stream: a packet, silence, or LibvirtProtocolError', () => {
    const good = Buffer.concat([encodeRawFrame(HEADER, Buffer.alloc(10)), encodeRawFrame(HEADER, Buffer.alloc(0)), encodeRawFrame(HEADER, Buffer.alloc(100))]);
    fc.assert(
      fc.property(fc.nat({ max: good.length - 1 }), fc.integer({ min: 1, max: 255 }), fc.array(fc.nat({ max: 60 }), { maxLength: 9 }), (at, flip, cuts) => {
        const bytes = Buffer.from(good);
        bytes[at] = bytes[at]! ^ flip;
        try {
          expect(feed(new FrameDecoder(), bytes, cuts).length).toBeLessThanOrEqual(3);
        } catch (error) {
          expect(error).toBeInstanceOf(LibvirtProtocolError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('refuses lengths, types and statuses that cannot be', () => {
    const frame = encodeRawFrame(HEADER, Buffer.alloc(0));
    for (const [offset, value] of [[0, 27], [0, 0], [0, 0xffff_ffff], [0, 33_554_437], [16, 4], [16, 99], [24, 3]] as const) {
      const bad = Buffer.from(frame);
      bad.writeUInt32BE(value, offset);
      expect(() => new FrameDecoder().push(bad, () => undefined)).toThrow(LibvirtProtocolError);
    }
  });

  it('joins a large frame from small pieces in linear time', () => {
    const payload = Buffer.alloc(8 * 1024 * 1024, 7);
    const bytes = encodeRawFrame(HEADER, payload);
    const got = feed(new FrameDecoder(), bytes, Array.from({ length: bytes.length / 4096 }, () => 4096));
    expect(got).toHaveLength(1);
    expect(got[0]!.payload.equals(payload)).toBe(true);
  });
});
