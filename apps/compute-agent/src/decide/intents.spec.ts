import { describe, expect, it } from '@jest/globals';
import { desired, FILES, FROZEN, layout, layoutCell, observedDomain as domain, world } from '../testing/builders.js';
import { NO_FILES, NO_PROGRESS, type InstanceFacts, type Progress, type World } from './facts.js';
import { layoutKey } from './layout.js';
import { observationOf, planInstance, tidied } from './plan.js';

const started: Progress = { ...NO_PROGRESS, built: 1, configDrive: 'drive', frozen: FROZEN, started: { generation: 1, bootId: 'boot-1' }, startedAtMs: 5 };
const facts = (change: Partial<InstanceFacts>): InstanceFacts => ({ desired: desired(), listed: true, progress: started, domain: domain('running'), files: FILES, configDrive: 'drive', ...change });
const plan = (change: Partial<InstanceFacts>, at: Partial<World> = {}) => planInstance(facts(change), world(at));
const bookedFor = (generation: number): Progress => ({ ...started, started: { generation, bootId: 'boot-1' } });
const saved = domain('stopped', {}, { saved: true });

describe('paused', () => {
  const want = desired({ generation: 2, intent: 'paused' });
  it('halts what runs, and starts what is off first', () => {
    expect(plan({ desired: want })).toMatchObject({ steps: ['pause'], state: 'running' });
    expect(plan({ desired: want, domain: domain('stopped') }).steps).toEqual(['start', 'pause']);
    expect(plan({ desired: want, domain: null, files: NO_FILES, progress: NO_PROGRESS }).steps).toEqual(['fetch-image', 'make-disk', 'make-config-drive', 'define', 'start', 'pause']);
  });
  it('is settled when halted, and leaves a guest that ended meanwhile', () => {
    expect(plan({ desired: want, domain: domain('paused') }).steps).toEqual(['book-start']);
    expect(plan({ desired: want, domain: domain('paused'), progress: bookedFor(2) })).toMatchObject({ steps: [], state: 'paused', doing: null, error: null });
    expect(plan({ desired: want, domain: domain('stopped'), progress: bookedFor(2) })).toMatchObject({ steps: [], state: 'stopped' });
  });
  it('does not reboot before it shall run', () => {
    expect(plan({ desired: desired({ generation: 2, intent: 'paused', rebootCount: 1, rebootType: 'hard' }), domain: domain('paused'), progress: bookedFor(2) }).steps).toEqual([]);
  });
});

describe('running again', () => {
  it('from paused, by whoever it was halted', () => {
    expect(plan({ desired: desired({ generation: 3 }), domain: domain('paused') }).steps).toEqual(['resume', 'book-start']);
    expect(plan({ domain: domain('paused') }).steps).toEqual(['resume', 'book-start']);
  });
  it('not while libvirt itself holds it', () => {
    expect(plan({ domain: domain('paused', {}, { pausedBy: 'libvirt', reason: 'save' }) })).toMatchObject({ steps: [], doing: 'wait-hypervisor' });
  });
  it('tries once for each asking when a fault halts it, and says why', () => {
    const halted = domain('paused', {}, { pausedBy: 'fault', reason: 'ioerror' });
    expect(plan({ domain: halted })).toMatchObject({ steps: [], state: 'paused', error: { code: 'guest-halted', final: true, message: expect.stringContaining('no space left') } });
    expect(plan({ desired: desired({ generation: 2 }), domain: halted }).steps).toEqual(['resume', 'book-start']);
    expect(plan({ desired: desired({ generation: 2, rebootCount: 1, rebootType: 'hard' }), domain: halted }).steps).toEqual(['destroy', 'book-reboot', 'start']);
  });
  it('from suspended by a start, which restores', () => {
    expect(plan({ desired: desired({ generation: 3 }), domain: saved }).steps).toEqual(['book-wake', 'start']);
    expect(plan({ desired: desired({ generation: 3 }), domain: saved, configDrive: 'other' }).steps).toEqual(['book-wake', 'start']);
  });
  it('gives saved memory up for a hard reboot only', () => {
    expect(plan({ desired: desired({ generation: 3, rebootCount: 1, rebootType: 'hard' }), domain: saved }).steps).toEqual(['drop-saved', 'book-reboot', 'start']);
    expect(plan({ desired: desired({ generation: 3, rebootCount: 1 }), domain: saved }).steps).toEqual(['book-wake', 'start']);
  });
  it('never twice from the same memory', () => {
    const woken: Progress = { ...started, woken: { atMs: 999_000, bootId: 'boot-1' } };
    for (const intent of ['running', 'stopped', 'paused', 'suspended']) {
      // libvirt was killed between its going on and the memory's going.
      expect(plan({ desired: desired({ generation: 3, intent }), domain: domain('running', {}, { saved: true }), progress: woken }).steps).toEqual(['drop-saved']);
      // The power was cut, and the memory is there again.
      expect(plan({ desired: desired({ generation: 3, intent }), domain: saved, progress: woken }, { bootId: 'boot-2' }).steps).toEqual(['drop-saved']);
    }
    expect(plan({ desired: desired({ generation: 3 }), domain: saved, progress: woken }).steps).toEqual(['book-wake', 'start']); // it was not, or could not be
    expect(plan({ domain: domain('paused', {}, { saved: true, pausedBy: 'libvirt', reason: 'save' }) }).steps).toEqual([]);
    const tidy = (change: Partial<InstanceFacts>, at: Partial<World> = {}) => tidied(facts({ progress: woken, ...change }), plan(change), world(at)).woken;
    expect(tidy({})).toEqual(woken.woken);
    expect(tidy({}, { nowMs: 1_200_000 })).toBeNull();
    expect(tidy({ domain: saved })).toBeNull();
    expect(tidy({ domain: saved }, { bootId: 'boot-2' })).toEqual(woken.woken);
    expect(tidy({ domain: domain('stopped') }, { bootId: 'boot-2' })).toBeNull();
  });
});

describe('suspended', () => {
  const want = desired({ generation: 2, intent: 'suspended' });
  it('saves what is on, starts what is off first', () => {
    expect(plan({ desired: want }).steps).toEqual(['save']);
    expect(plan({ desired: want, domain: domain('paused') }).steps).toEqual(['save']);
    expect(plan({ desired: want, domain: domain('stopped') }).steps).toEqual(['start', 'save']);
  });
  it('is settled when saved, over reboots of the host too', () => {
    expect(plan({ desired: want, domain: saved })).toMatchObject({ steps: [], state: 'suspended', error: null, doing: null });
    expect(plan({ desired: want, domain: saved }, { bootId: 'boot-2' })).toMatchObject({ steps: [], state: 'suspended' });
  });
  it('says when somebody took the saved memory away', () => {
    expect(plan({ desired: want, domain: domain('stopped'), progress: bookedFor(2) })).toMatchObject({ steps: [], state: 'stopped' });
  });
  it('keeps its memory when it shall be off, and loses everything when deleted', () => {
    expect(plan({ desired: desired({ generation: 3, intent: 'stopped' }), domain: saved })).toMatchObject({ steps: [], state: 'stopped' });
    expect(plan({ desired: desired({ generation: 3, intent: 'deleted' }), domain: saved }).steps).toEqual(['undefine', 'remove-files']);
  });
});

describe('powering off', () => {
  it('takes the time the instance asks for', () => {
    const want = desired({ generation: 2, intent: 'stopped', powerOffTimeoutS: 5 });
    const pressed = { ...started, powerButton: { firstMs: 1_000_000, lastMs: 1_000_000, bootId: 'boot-1' } };
    expect(plan({ desired: want, progress: pressed }, { nowMs: 1_004_999 })).toMatchObject({ steps: [], wakeAtMs: 1_005_000 });
    expect(plan({ desired: want, progress: pressed }, { nowMs: 1_005_000 }).steps).toEqual(['destroy']);
    expect(plan({ desired: desired({ generation: 2, intent: 'stopped', powerOffTimeoutS: 0 }) }).steps).toEqual(['destroy']);
  });
  it('wakes a halted guest first, that it hears the button', () => {
    expect(plan({ desired: desired({ generation: 2, intent: 'stopped' }), domain: domain('paused') }).steps).toEqual(['resume', 'press-power-button']);
    expect(plan({ desired: desired({ generation: 2, intent: 'stopped' }), domain: domain('paused', {}, { pausedBy: 'fault', reason: 'ioerror' }) }).steps).toEqual(['press-power-button']);
  });
});

describe('rebuild', () => {
  const want = desired({ generation: 2, specGeneration: 2, diskGeneration: 2 });
  it('fetches first, powers off in order, makes the new disk beside the old and drops that last', () => {
    expect(plan({ desired: want })).toMatchObject({ steps: ['fetch-image', 'press-power-button'], doing: 'power-off' });
    expect(plan({ desired: want, domain: domain('stopped') }).steps).toEqual(['fetch-image', 'make-disk', 'make-config-drive', 'define', 'drop-disks', 'start']);
    expect(plan({ desired: { ...want, intent: 'stopped' }, domain: domain('stopped') }).steps).toEqual(['fetch-image', 'make-disk', 'make-config-drive', 'define', 'drop-disks']);
  });
  it('goes on from any line', () => {
    expect(plan({ desired: want, domain: domain('stopped'), files: { ...FILES, disks: [1, 2] } }).steps).toEqual(['make-config-drive', 'define', 'drop-disks', 'start']);
    const defined = domain('stopped', { specGeneration: 2, diskGeneration: 2 });
    expect(plan({ desired: want, domain: defined, files: { ...FILES, disks: [1, 2] } }).steps).toEqual(['drop-disks', 'start']);
    expect(plan({ desired: want, domain: defined, files: { ...FILES, disks: [2] } }).steps).toEqual(['start']);
  });
  it('cures a lost disk, and nothing else does', () => {
    expect(plan({ desired: want, domain: domain('stopped'), files: { ...FILES, disks: [] } }).steps).toContain('make-disk');
    expect(plan({ desired: want, domain: domain('stopped', { specGeneration: 2, diskGeneration: 2 }), files: FILES })).toMatchObject({ steps: [], error: { code: 'disk-lost' } });
    expect(plan({ desired: desired({ generation: 2, specGeneration: 2 }), domain: domain('stopped'), files: { ...FILES, disks: [] } })).toMatchObject({ steps: [], error: { code: 'disk-lost' } });
  });
  it('gives saved memory up with the disk it fits', () => {
    expect(plan({ desired: want, domain: saved }).steps).toEqual(['drop-saved', 'fetch-image', 'make-disk', 'make-config-drive', 'define', 'drop-disks', 'start']);
  });
  it('never goes back to an older disk or spec', () => {
    const newer = domain('running', { specGeneration: 3, diskGeneration: 2 });
    expect(plan({ desired: desired({ generation: 2, specGeneration: 3 }), domain: newer, files: { ...FILES, disks: [2] } })).toMatchObject({ steps: [], state: 'running', error: { code: 'newer-built' } });
  });
});

describe('resize in place', () => {
  const larger = { generation: 2, specGeneration: 2, vcpus: 2, diskGib: 2 };
  const want = desired({ ...larger, previous: { specGeneration: 1, then: 'keep' } });
  const resized = (power: 'running' | 'stopped') => domain(power, { specGeneration: 2, shape: { vcpus: 2, memoryMib: 128, diskGib: 2, layout: null } });
  it('powers off, keeps the disk as it was, grows, defines, starts', () => {
    expect(plan({ desired: want })).toMatchObject({ steps: ['press-power-button'], doing: 'power-off' });
    expect(plan({ desired: want, domain: domain('stopped') }).steps).toEqual(['keep-disk', 'grow-disk', 'define', 'start']);
    expect(plan({ desired: want, domain: domain('stopped'), files: { ...FILES, previous: [1] } }).steps).toEqual(['grow-disk', 'define', 'start']);
    expect(plan({ desired: want, domain: resized('running'), files: { ...FILES, previous: [1] }, progress: bookedFor(2) })).toMatchObject({ steps: [], state: 'running' });
  });
  it('drops what was kept once it is confirmed, while the guest runs', () => {
    expect(plan({ desired: desired({ ...larger, generation: 3 }), domain: resized('running'), files: { ...FILES, previous: [1] } }).steps).toEqual(['drop-previous']);
  });
  const back = desired({ generation: 3, specGeneration: 3, previous: { specGeneration: 1, then: 'restore' } });
  it('brings back what was kept', () => {
    expect(plan({ desired: back, domain: resized('running'), files: { ...FILES, previous: [1] } }).steps).toEqual(['press-power-button']);
    expect(plan({ desired: back, domain: resized('stopped'), files: { ...FILES, previous: [1] } }).steps).toEqual(['restore-disk', 'define', 'drop-previous', 'start']);
    expect(plan({ desired: back, domain: domain('stopped', { specGeneration: 3 }), files: { ...FILES, previous: [1] } }).steps).toEqual(['drop-previous', 'start']);
  });
  it('brings nothing back when it never began, and says when it is gone', () => {
    expect(plan({ desired: back, domain: domain('running') }).steps).toEqual(['book-spec']);
    expect(plan({ desired: back, domain: resized('stopped') })).toMatchObject({ steps: [], error: { code: 'previous-lost' } });
  });
  it('does not touch a guest when only a number rises', () => {
    expect(plan({ desired: desired({ generation: 2, specGeneration: 2 }) }).steps).toEqual(['book-spec']);
    expect(plan({ desired: desired({ generation: 2, specGeneration: 2, intent: 'suspended' }), domain: saved }).steps).toEqual(['book-spec']);
  });
  it('refuses to change what saved memory needs', () => {
    expect(plan({ desired: want, domain: saved })).toMatchObject({ steps: [], error: { code: 'memory-saved' } });
  });
});

describe('a disk from another host', () => {
  const diskFrom = { transferId: '55555555-5555-4555-8555-555555555555', key: 'k' };
  it('comes in place of one from the image, once', () => {
    expect(plan({ desired: desired({ diskFrom, diskGeneration: 2, specGeneration: 4 }), domain: null, files: NO_FILES, progress: NO_PROGRESS }).steps).toEqual(['fetch-image', 'receive-disk', 'make-config-drive', 'define', 'start']);
    expect(plan({ desired: desired({ diskFrom }), domain: domain('stopped'), files: { ...FILES, disks: [] } })).toMatchObject({ error: { code: 'disk-lost' } });
  });
});

describe('what is said', () => {
  it('names what is built, by the domain if there is one', () => {
    const at = facts({ domain: domain('running', { specGeneration: 4, diskGeneration: 3 }) });
    expect(observationOf(at, planInstance(at, world())).built).toEqual({ specGeneration: 4, diskGeneration: 3 });
    const undefinedByHand = facts({ domain: null, progress: { ...started, built: 2, diskGeneration: 2 } });
    expect(observationOf(undefinedByHand, planInstance(undefinedByHand, world())).built).toEqual({ specGeneration: 2, diskGeneration: 2 });
    const gone = facts({ desired: desired({ intent: 'deleted' }), domain: null, files: NO_FILES });
    expect(observationOf(gone, planInstance(gone, world()))).toMatchObject({ state: 'absent', built: null });
  });
  it('says that memory is kept of a guest that is off and not suspended', () => {
    for (const [intent, said] of [['running', true], ['stopped', true], ['suspended', undefined]] as const) {
      const at = facts({ desired: desired({ intent }), domain: domain('stopped', {}, { saved: true }) });
      expect(observationOf(at, planInstance(at, world())).savedMemory).toBe(said);
    }
  });
  it('refreshes the config drive when it is off', () => {
    expect(plan({ configDrive: 'other' }).steps).toEqual([]);
    expect(plan({ desired: desired({ generation: 2 }), configDrive: 'other', domain: domain('stopped') }).steps).toEqual(['make-config-drive', 'start']);
  });
});

describe('CPUs of the host that were divided anew', () => {
  const at: Partial<World> = { cpus: { shared: '0-1', dedicated: [2] } };
  const before = domain('stopped');
  const after = domain('stopped', { sharedCpus: '0-1' });
  it('change the definition of a guest that is off, once, and none of one that runs', () => {
    const want = desired({ generation: 2 });
    expect(plan({ desired: want, domain: before }, at).steps).toEqual(['define', 'start']);
    expect(plan({ desired: want, domain: after }, at).steps).toEqual(['start']);
    expect(plan({ desired: desired({ generation: 2, intent: 'stopped' }), domain: before }, at).steps).toEqual(['define']);
    expect(plan({ domain: domain('running') }, at).steps).toEqual([]);
  });
  it('are taken over by a reboot', () => {
    expect(plan({ desired: desired({ rebootCount: 1, rebootType: 'hard' }) }, at).steps).toEqual(['destroy', 'define', 'book-reboot', 'start']);
    expect(plan({ desired: desired({ rebootCount: 1, rebootType: 'hard' }), domain: domain('running', { sharedCpus: '0-1' }) }, at).steps).toEqual(['destroy', 'book-reboot', 'start']);
  });
  it('leave what goes on from its memory, and what lost its own CPUs', () => {
    expect(plan({ desired: desired({ generation: 2 }), domain: saved }, at).steps).toEqual(['book-wake', 'start']);
    const layoutOf3 = layout({ cells: [layoutCell({ pins: [[0, 3]] })] });
    expect(plan({ desired: desired({ generation: 2, layout: layoutOf3 }), domain: before }, at).steps).toEqual(['start']);
  });
});

describe('another layout', () => {
  const pinned = layout({ cells: [layoutCell({ pins: [[0, 2]] })] });
  it('alone is another shape: the guest is defined anew, off', () => {
    const want = desired({ generation: 2, specGeneration: 2, layout: pinned, powerOffTimeoutS: 0 });
    expect(plan({ desired: want }).steps).toEqual(['destroy']);
    expect(plan({ desired: want, domain: domain('stopped') }).steps).toEqual(['grow-disk', 'define', 'start']);
    const shape = { vcpus: 1, memoryMib: 128, diskGib: 1, layout: layoutKey(pinned) };
    expect(plan({ desired: want, domain: domain('running', { shape }) }).steps).toEqual(['book-spec']);
  });
  it('without a new spec generation changes nothing', () => {
    expect(plan({ desired: desired({ layout: pinned }) }).steps).toEqual([]);
  });
});
