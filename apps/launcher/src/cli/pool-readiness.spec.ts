import { describe, expect, it } from '@jest/globals';
import type { DevicePoolView, DeviceView } from '#libs/contracts';
import { progressOf, untilReady } from './pool-readiness.js';

const HOST = { id: '0d1f3a52-7f0b-4d9a-9b51-0a4a4c1c9e77' as DeviceView['host']['id'], name: 'node1' };
const vf = (index: number, change: Partial<DeviceView> = {}, device: Partial<DeviceView['device']> = {}): DeviceView => ({
  id: `vf${index}`, host: HOST, state: 'available', reason: null, device: { kind: 'vf', address: `0000:01:10.${index}`, sriov: null, condition: null, ...device }, ...change,
} as DeviceView);
const pf = (numVfs: number, device: Partial<DeviceView['device']> = {}): DeviceView => vf(9, { state: 'unusable' }, { kind: 'pf', sriov: { totalVfs: 7, numVfs }, ...device });

describe('how far a pool is', () => {
  const pool = { mode: 'vfs', vfCount: 2 } as const;
  it('counts nothing before the VFs are made, and what can be claimed after', () => {
    expect(progressOf(pool, [pf(0)])).toMatchObject({ wanted: 2, ready: 0, stuck: [], hosts: 1 });
    expect(progressOf(pool, [pf(4), vf(0), vf(1)])).toMatchObject({ wanted: 2, ready: 0 });
    expect(progressOf(pool, [pf(2), vf(0), vf(1, { state: 'unusable' }, { condition: { code: 'not-ready', sentence: 'x' } })])).toMatchObject({ ready: 1, stuck: [] });
    expect(progressOf(pool, [pf(2), vf(0), vf(1, { state: 'in-use' })])).toMatchObject({ ready: 2, stuck: [] });
    expect(progressOf({ mode: 'vfs', vfCount: null }, [pf(7)])).toMatchObject({ wanted: 7 });
  });

  it('names what waiting makes no better', () => {
    const bad = vf(1, { state: 'quarantined', reason: 'r' });
    expect(progressOf(pool, [pf(2), vf(0), bad])).toMatchObject({ ready: 1, stuck: [bad] });
    const hung = pf(0, { condition: { code: 'hung-writer', sentence: 'x' } });
    expect(progressOf(pool, [hung])).toMatchObject({ stuck: [hung] });
    expect(progressOf({ mode: 'functions', vfCount: null }, [vf(0), vf(1, { state: 'scrubbing' })])).toMatchObject({ wanted: 2, ready: 1, stuck: [] });
  });
});

describe('waiting for a pool', () => {
  const made = { id: 'p', name: 'net1', mode: 'vfs', vfCount: 2 } as DevicePoolView;
  /** Looks in order, the last one for ever; a clock that goes by the pauses. */
  async function wait(looks: DeviceView[][], problems: DevicePoolView['problems'] = []): Promise<{ code: number; said: string[] }> {
    const said: string[] = [];
    let now = 0;
    const call = async <T>(_method: string, path: string): Promise<T> => (path.startsWith('/v1/devices?') ? { devices: looks.length > 1 ? looks.shift() : looks[0], next: null } : { pool: { problems } }) as T;
    const code = await untilReady({ call }, made, 60, { say: (line) => said.push(line), nowMs: () => now, pause: async (ms) => { now += ms; } });
    return { code, said };
  }
  const down = vf(1, { state: 'unusable', reason: 'The link is down.' }, { condition: { code: 'link-down', sentence: 'x' } });

  it('says how far it is each time it gets further, and how long it took', async () => {
    expect(await wait([[], [pf(0)], [pf(0)], [pf(2), vf(0), down], [pf(2), vf(0), vf(1)]])).toEqual({ code: 0, said: ['net1: 0 of 0 devices ready on 0 hosts', 'net1: 0 of 2 devices ready on 1 host', 'net1: 1 of 2 devices ready on 1 host', 'net1: 2 of 2 devices ready on 1 host', 'All are ready after 2.0 s.'] });
  });

  it('gives up on what does not pass, on nothing, and in the end', async () => {
    expect(await wait([[pf(2), vf(0), down]])).toEqual({ code: 1, said: ['net1: 1 of 2 devices ready on 1 host', '  node1 0000:01:10.1: unusable. The link is down.'] });
    expect(await wait([[]])).toEqual({ code: 1, said: ['net1: 0 of 0 devices ready on 0 hosts', 'No host has a function that the pool matches.'] });
    expect(await wait([[pf(0)]], [{ hostName: 'node1', identity: 'mac:01', code: 'vfs-in-use', sentence: 'A VF is in use.' }])).toEqual({ code: 1, said: [
      'net1: 0 of 2 devices ready on 1 host', '  node1 mac:01: A VF is in use. (vfs-in-use)', 'Not all are ready after 60 s. Hosts go on by themselves: skylite device list --pool net1',
    ] });
  });
});
