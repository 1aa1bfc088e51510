import { describe, expect, it } from '@jest/globals';
import { matchChangeFrom, matchFrom, matchText, policyFrom, rangesText, vlansFrom } from './device-flags.js';

describe('what is said of devices on the command line', () => {
  it('reads a match: lists with commas or repeated, ids in any spelling, labels', () => {
    expect(matchFrom({ vendor: ['0x8086'], product: ['10C9,1520', '1521'], numa: ['0,1'], host: ['rack1-*'], 'host-label': ['net=fast', 'a=b=c'] })).toEqual({
      vendor: ['8086'], product: ['10c9', '1520', '1521'], numaNode: [0, 1], hosts: ['rack1-*'], hostLabels: { net: 'fast', a: 'b=c' },
    });
  });

  it('changes only what is said, and takes away what is said empty', () => {
    expect(matchChangeFrom({ product: ['1520'], host: [''], 'host-label': [''] })).toEqual({ product: ['1520'], hosts: null, hostLabels: null });
    expect(matchChangeFrom({ numa: ['1'] })).toEqual({ numaNode: [1] });
    expect(matchFrom({ vendor: ['8086'], host: [''] })).toEqual({ vendor: ['8086'] });
  });

  it('reads a policy', () => {
    expect(policyFrom({ trust: 'on', 'spoof-check': 'off', 'max-tx': '1000', vlans: '7,5-6', 'mac-prefix': 'FA:16:3E' })).toEqual({ trust: true, spoofCheck: false, maxTxMbps: 1000, vlans: [5, 6, 7], macPrefix: 'fa:16:3e' });
    expect(policyFrom({})).toEqual({});
  });

  it.each([['0', 0], ['5-3', 0], ['4095', 0], ['x', 0], ['1,,2', 0]])('refuses the VLANs %s and says how they are written', (text) => { expect(() => vlansFrom(text)).toThrow(/100,200-203/); });
  it.each<[string, number[]]>([['', []], ['none', []], ['4094', [4094]], ['3,1-2', [1, 2, 3]]])('reads the VLANs "%s"', (text, vlans) => { expect(vlansFrom(text)).toEqual(vlans); });

  it('refuses what is no number, no switch, no label', () => {
    expect(() => policyFrom({ trust: 'yes' })).toThrow('--trust yes: it is on or off.');
    expect(() => matchFrom({ numa: ['one'] })).toThrow('--numa one: it is a number.');
    expect(() => matchFrom({ 'host-label': ['fast'] })).toThrow(/KEY=VALUE/);
  });

  it('says a match and ranges in words', () => {
    expect(matchText({ vendor: ['8086'], product: ['10c9', '1520'], driver: ['igb'], hostLabels: { net: 'fast' } })).toBe('vendor 8086, product 10c9|1520, driver igb, host-label net=fast');
    expect(matchText({})).toBe('nothing said');
    expect(rangesText([8, 0, 1, 2])).toBe('0-2,8');
    expect(rangesText([])).toBe('');
  });
});
