import { describe, expect, it } from '@jest/globals';
import type { PciAddress } from '#libs/pci';
import type { Readiness } from '../devices/decide/ready.js';
import { desired, FILES, layout, observedDomain, world } from '../testing/builders.js';
import { claimedDevice, ownDevice, vf } from '../testing/device-builders.js';
import { NO_PROGRESS, type InstanceFacts } from './facts.js';
import { layoutKey } from './layout.js';
import { planInstance } from './plan.js';

const claimed = claimedDevice(vf(0), 1);
const placed = layout({ devices: [claimed] });
const AT = '0000:01:10.0';
const ready: Readiness = { kind: 'ready', devices: [{ claimed: ownDevice(vf(0)), address: AT as PciAddress }] };
const gone: Readiness = { kind: 'refused', code: 'device-missing', message: 'It is gone.' };
const progress = { ...NO_PROGRESS, built: 1, configDrive: 'drive', frozen: observedDomain('stopped').notes!.frozen };
const started = { ...progress, started: { generation: 1, bootId: 'boot-1' } };
const domain = (power: 'running' | 'stopped', addresses: string[] = [AT]) => {
  const hostdevs = addresses.map((address, place) => ({ place, address }));
  return observedDomain(power, { shape: { vcpus: 1, memoryMib: 128, diskGib: 1, layout: layoutKey(placed) }, devices: [ownDevice(vf(0))] }, { hostdevs, live: power === 'running' ? hostdevs : [] });
};
const plan = (change: Partial<InstanceFacts>) =>
  planInstance({ desired: desired({ layout: placed }), listed: true, progress, domain: null, files: FILES, configDrive: 'drive', devices: ready, ...change }, world());

describe('a guest with devices', () => {
  it('is prepared before it is defined and before each start', () => {
    expect(plan({}).steps).toEqual(['prepare-devices', 'define', 'start']);
    expect(plan({ domain: domain('stopped') })).toMatchObject({ steps: ['prepare-devices', 'start'], doing: 'prepare-devices' });
    expect(plan({ desired: desired({ layout: placed, generation: 2, rebootCount: 1, rebootType: 'hard' }), domain: domain('running'), progress: started }).steps).toEqual(['destroy', 'prepare-devices', 'book-reboot', 'start']);
  });
  it('is defined anew when its devices stand elsewhere since, and never while it runs', () => {
    expect(plan({ domain: domain('stopped', ['0000:02:10.0']) }).steps).toEqual(['prepare-devices', 'define', 'start']);
    expect(plan({ domain: domain('running', ['0000:02:10.0']), progress: started }).steps).toEqual([]);
    expect(plan({ domain: domain('stopped', ['0000:02:10.0']), desired: desired({ layout: placed, intent: 'stopped' }), progress: started }).steps).toEqual([]);
  });
  it('is neither started nor defined without them, and that is said', () => {
    expect(plan({ devices: gone })).toMatchObject({ steps: [], state: 'failed', error: { code: 'device-missing', final: true } });
    expect(plan({ devices: gone, desired: desired({ layout: placed, intent: 'stopped' }) })).toMatchObject({ steps: [], error: { code: 'device-missing' } });
    const { devices: _none, ...without } = { ...{ devices: ready } };
    expect(planInstance({ desired: desired({ layout: placed }), listed: true, progress, domain: null, files: FILES, configDrive: 'drive', ...without }, world())).toMatchObject({ steps: [], error: { code: 'devices-unsupported' } });
  });
  it('waits for what its host is still at', () => {
    expect(plan({ devices: { kind: 'wait', why: 'soon' } })).toMatchObject({ steps: [], doing: 'await-devices', error: null });
  });
  it('is left running when they would not come back to it, and deleted whatever they are', () => {
    const hard = desired({ layout: placed, generation: 2, rebootCount: 1, rebootType: 'hard' });
    expect(plan({ desired: hard, devices: gone, domain: domain('running'), progress: started })).toMatchObject({ steps: [], state: 'running', error: { code: 'device-missing' } });
    expect(plan({ desired: { ...hard, rebootType: 'soft' }, devices: gone, domain: domain('running'), progress: started })).toMatchObject({ steps: [], state: 'running' });
    expect(plan({ devices: gone, domain: domain('running'), progress: started })).toMatchObject({ steps: [], state: 'running', error: null });
    expect(plan({ desired: desired({ layout: placed, intent: 'deleted' }), devices: gone, domain: domain('running') }).steps).toEqual(['destroy', 'undefine', 'remove-files']);
    expect(plan({ desired: desired({ layout: placed, generation: 2, intent: 'stopped' }), devices: gone, domain: domain('running'), progress: started }).steps).toEqual(['press-power-button']);
  });
});

describe('the key of a layout', () => {
  it('names devices by identity, never by where they stand or at which generation', () => {
    expect(layoutKey(layout())).toBeNull();
    expect(layoutKey(placed)).not.toBeNull();
    expect(layoutKey(layout({ devices: [{ ...claimed, generation: 9 }] }))).toBe(layoutKey(placed));
    expect(layoutKey(layout({ devices: [claimedDevice(vf(1), 1)] }))).not.toBe(layoutKey(placed));
    expect(layoutKey(layout({ devices: [{ ...claimed, attach: 'interface' }] }))).not.toBe(layoutKey(placed));
  });
});
