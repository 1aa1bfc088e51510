import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { decodeEvent } from './events.js';
import { decodeError } from './call-table.js';
import { ERROR_NAMES, EVENTS, FACTS, FACTS_DIGEST, FLAGS, PROCEDURES, typedParam } from './facts.js';
import { encodeFrame, FrameDecoder, type Packet } from './framing.js';
import { decodeUntyped, decodeXdr, encodeUntyped, type XdrType } from './xdr.js';

describe('facts of the protocol', () => {
  it('are what the generator wrote', () => {
    expect(createHash('sha256').update(JSON.stringify(FACTS)).digest('hex')).toBe(FACTS_DIGEST);
  });

  it('name each number once', () => {
    const numbers = [...Object.values(PROCEDURES), ...Object.values(EVENTS)].map(({ number }) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const group of Object.values(FLAGS)) {
      const bits: number[] = Object.values(group);
      expect(new Set(bits).size).toBe(bits.length);
      for (const bit of bits) expect(Math.log2(bit) % 1).toBe(0);
    }
    expect(ERROR_NAMES[42]).toBe('NO_DOMAIN');
    expect(ERROR_NAMES[55]).toBe('OPERATION_INVALID');
    expect(Object.keys(typedParam.struct.value.union)).toHaveLength(7);
  });
});

// Bytes that a real libvirtd 9.0.0 sent and took (test:///default), written down: so that the fake and the client cannot
// agree with each other on something wrong.
const REPLIES: Record<string, { procedure: keyof typeof PROCEDURES; payload: string; value: unknown }> = {
  'no authentication': { procedure: 'AUTH_LIST', payload: '0000000100000000', value: { types: [0] } },
  'library version': { procedure: 'CONNECT_GET_LIB_VERSION', payload: '0000000000895440', value: { lib_ver: 9_000_000n } },
  'host (each char of an array takes four bytes)': {
    procedure: 'NODE_GET_INFO',
    payload: `00000069000000360000003800000036${'00000000'.repeat(28)}0000000000300000000000100000057800000002000000020000000200000002`,
    value: { model: [105, 54, 56, 54, ...Array<number>(28).fill(0)], memory: 3145728n, cpus: 16, mhz: 1400, nodes: 2, sockets: 2, cores: 2, threads: 2 },
  },
  'list of domains': {
    procedure: 'CONNECT_LIST_ALL_DOMAINS',
    payload: '0000000100000004746573746695eb01f6a4830479aa97f2502e193f0000000100000001',
    value: { domains: [{ name: 'test', uuid: new Uint8Array(Buffer.from('6695eb01f6a4830479aa97f2502e193f', 'hex')), id: 1 }], ret: 1 },
  },
  'info (short and char take four bytes)': {
    procedure: 'DOMAIN_GET_INFO',
    payload: '00000001000000000080000000000000002000000000000218e9ef0ed83127b0',
    value: { state: 1, maxMem: 8388608n, memory: 2097152n, nrVirtCpu: 2, cpuTime: 0x18e9ef0ed83127b0n },
  },
  statistics: {
    procedure: 'CONNECT_GET_ALL_DOMAIN_STATS',
    payload:
      '0000000100000004746573746695eb01f6a4830479aa97f2502e193f00000001000000020000000b73746174652e73746174650000000001000000010000000c73746174652e726561736f6e0000000100000000',
    value: {
      retStats: [{
        dom: { name: 'test', uuid: new Uint8Array(Buffer.from('6695eb01f6a4830479aa97f2502e193f', 'hex')), id: 1 },
        params: [{ field: 'state.state', value: { type: 1, value: 1 } }, { field: 'state.reason', value: { type: 1, value: 0 } }],
      }],
    },
  },
};
const CALLS: Record<string, { procedure: keyof typeof PROCEDURES; value: unknown; payload: string }> = {
  open: { procedure: 'CONNECT_OPEN', value: { name: 'test:///default', flags: 0 }, payload: '000000010000000f746573743a2f2f2f64656661756c740000000000' },
  'register for events': { procedure: 'CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY', value: { eventID: 1, dom: null }, payload: '0000000100000000' },
  'look up by name': { procedure: 'DOMAIN_LOOKUP_BY_NAME', value: { name: 'nobody' }, payload: '000000066e6f626f64790000' },
};

describe('real bytes', () => {
  for (const [name, { procedure, payload, value }] of Object.entries(REPLIES)) {
    it(`reads and writes a reply: ${name}`, () => {
      const type = PROCEDURES[procedure].ret as XdrType;
      expect(decodeUntyped(type, Buffer.from(payload, 'hex'))).toEqual(value);
      expect(encodeUntyped(type, value).toString('hex')).toBe(payload);
    });
  }
  for (const [name, { procedure, payload, value }] of Object.entries(CALLS)) {
    it(`writes a call: ${name}`, () => {
      const { number, args } = PROCEDURES[procedure] as { number: number; args: XdrType };
      const frame = encodeFrame({ prog: 0x20008086, vers: 1, proc: number, type: 0, serial: 9, status: 0 }, args, value);
      const words = [28 + payload.length / 2, 0x20008086, 1, number, 0, 9, 0].map((word) => word.toString(16).padStart(8, '0'));
      expect(frame.toString('hex')).toBe(words.join('') + payload);
    });
  }

  it('reads an error', () => {
    const payload =
      '0000002a0000000c0000000100000010446f6d61696e206e6f7420666f756e6400000002000000000000000100000010446f6d61696e206e6f7420666f756e640000000000000000ffffffffffffffff00000000';
    expect(decodeError(Buffer.from(payload, 'hex'))).toMatchObject({ code: 42, codeName: 'NO_DOMAIN', domain: 12, level: 'error', message: 'Domain not found' });
  });

  it('reads an event', () => {
    let packet: Packet | undefined;
    const bytes = '0000004420008086000000010000013e0000000200000001000000000000000000000004746573746695eb01f6a4830479aa97f2502e193f000000010000000300000000';
    new FrameDecoder().push(Buffer.from(bytes, 'hex'), (each) => (packet = each));
    const domain = { name: 'test', uuid: '6695eb01-f6a4-8304-79aa-97f2502e193f', id: 1 };
    expect(decodeEvent(packet!)).toEqual({ kind: 'lifecycle', domain, event: 'suspended', detail: 'paused' });
    expect(decodeEvent({ ...packet!, proc: 400 })).toBeNull();
    const newer = Buffer.from(packet!.payload);
    newer.writeInt32BE(99, newer.length - 8);
    expect(decodeEvent({ ...packet!, payload: newer })).toEqual({ kind: 'lifecycle', domain, event: 'unknown', detail: 'unknown' });
  });

  it('reads every kind of typed parameter', () => {
    const read = (bytes: string): unknown => decodeXdr(typedParam, Buffer.from(`0000000161000000${bytes}`, 'hex')).value;
    expect(read('00000001ffffffff')).toEqual({ type: 1, value: -1 });
    expect(read('00000002ffffffff')).toEqual({ type: 2, value: 4294967295 });
    expect(read('00000003ffffffffffffffff')).toEqual({ type: 3, value: -1n });
    expect(read('00000004ffffffffffffffff')).toEqual({ type: 4, value: 18446744073709551615n });
    expect(read('000000053ff8000000000000')).toEqual({ type: 5, value: 1.5 });
    expect(read('0000000600000001')).toEqual({ type: 6, value: 1 });
    expect(read('00000007000000017a000000')).toEqual({ type: 7, value: 'z' });
  });
});
