import { describe, expect, it } from '@jest/globals';
import { desired, FILES, FROZEN, observedDomain as domain, world } from '../testing/builders.js';
import { judgeFailure } from './backoff.js';
import { NO_FILES, NO_PROGRESS, type InstanceFacts, type Progress, type World } from './facts.js';
import { planInstance } from './plan.js';

const facts = (change: Partial<InstanceFacts> = {}): InstanceFacts => ({ desired: desired(), listed: true, progress: NO_PROGRESS, domain: null, files: NO_FILES, configDrive: 'drive', ...change });
const built: Progress = { ...NO_PROGRESS, built: 1, configDrive: 'drive', frozen: FROZEN };
const started: Progress = { ...built, started: { generation: 1, bootId: 'boot-1' }, startedAtMs: 5 };
const plan = (change: Partial<InstanceFacts>, at: Partial<World> = {}) => planInstance(facts(change), world(at));

describe('planInstance', () => {
  it('builds from nothing in one chain', () => {
    expect(plan({})).toMatchObject({ steps: ['fetch-image', 'make-disk', 'make-config-drive', 'define', 'start'], state: 'building' });
  });
  it('builds without starting what shall be stopped', () => {
    expect(plan({ desired: desired({ intent: 'stopped' }) }).steps).toEqual(['fetch-image', 'make-disk', 'make-config-drive', 'define']);
  });
  it('is settled when it runs as asked', () => {
    expect(plan({ domain: domain('running'), files: FILES, progress: started })).toEqual({ steps: [], wakeAtMs: null, state: 'running', doing: null, error: null });
  });
  it('reports a guest that ended by itself and leaves it', () => {
    expect(plan({ domain: domain('stopped'), files: FILES, progress: started })).toMatchObject({ steps: [], state: 'stopped', doing: null });
    expect(plan({ domain: domain('crashed'), files: FILES, progress: started })).toMatchObject({ steps: [], state: 'crashed', doing: null });
  });
  it('calls off what shall be off, however it came to be', () => {
    expect(plan({ desired: desired({ intent: 'stopped' }), domain: domain('crashed'), files: FILES, progress: built })).toMatchObject({ steps: [], state: 'stopped' });
  });
  it('starts it again after the host rebooted, and when it is asked for anew', () => {
    expect(plan({ domain: domain('crashed'), files: FILES, progress: started }, { bootId: 'boot-2' }).steps).toEqual(['start']);
    expect(plan({ desired: desired({ generation: 2 }), domain: domain('crashed'), files: FILES, progress: started }).steps).toEqual(['start']);
  });
  it('reboots softly: button, patience, again, then the plug', () => {
    const asked = { desired: desired({ generation: 2, rebootCount: 1 }), domain: domain('running'), files: FILES };
    expect(plan({ ...asked, progress: started })).toMatchObject({ steps: ['press-power-button'], doing: 'power-off' });
    const pressed = { ...started, powerButton: { firstMs: 1_000_000, lastMs: 1_000_000, bootId: 'boot-1' } };
    expect(plan({ ...asked, progress: pressed }, { nowMs: 1_009_999 })).toMatchObject({ steps: [], wakeAtMs: 1_010_000, doing: 'power-off' });
    expect(plan({ ...asked, progress: pressed }, { nowMs: 1_010_000 }).steps).toEqual(['press-power-button']);
    expect(plan({ ...asked, progress: pressed }, { nowMs: 1_060_000 }).steps).toEqual(['destroy', 'book-reboot', 'start']);
    expect(plan({ ...asked, progress: pressed, domain: domain('stopped') }, { nowMs: 1_020_000 }).steps).toEqual(['book-reboot', 'start']);
  });
  it('reboots hard at once', () => {
    expect(plan({ desired: desired({ generation: 2, rebootCount: 1, rebootType: 'hard' }), domain: domain('running'), files: FILES, progress: started }).steps).toEqual(['destroy', 'book-reboot', 'start']);
  });
  it('brings a guest back whose stop was taken back after the button', () => {
    const progress = { ...started, powerButton: { firstMs: 1_000_000, lastMs: 1_000_000, bootId: 'boot-1' } };
    expect(plan({ desired: desired({ generation: 3 }), domain: domain('running'), files: FILES, progress })).toMatchObject({ steps: [], doing: 'power-off' });
    expect(plan({ desired: desired({ generation: 3 }), domain: domain('stopped'), files: FILES, progress }).steps).toEqual(['start']);
  });
  it('never makes an empty disk in place of a lost one', () => {
    expect(plan({ domain: domain('stopped'), files: { ...FILES, disks: [] }, progress: started })).toMatchObject({ steps: [], state: 'failed', error: { code: 'disk-lost', final: true } });
    expect(plan({ progress: built })).toMatchObject({ steps: [], state: 'failed', error: { code: 'disk-lost' } });
  });
  it('builds nothing, from an image or another host, where a guest has had its disk, though this host remembers nothing', () => {
    const diskFrom = { transferId: '0c1d2e3f-4a5b-4c6d-8e7f-000000000009', key: 'k' };
    for (const intent of ['running', 'stopped', 'paused', 'suspended']) {
      for (const change of [{}, { diskFrom }, { diskGeneration: 2 }]) {
        expect(plan({ desired: desired({ intent, diskLaunched: true, ...change }) })).toMatchObject({ steps: [], state: 'failed', error: { code: 'disk-lost', final: true } });
      }
    }
    expect(plan({ desired: desired({ diskLaunched: true, intent: 'deleted' }) })).toMatchObject({ steps: [], state: 'absent' });
    // A rebuild's disk is new; one that was put back is used, on the image that it stands on.
    expect(plan({ desired: desired({ diskGeneration: 2, specGeneration: 2 }) }).steps).toEqual(['fetch-image', 'make-disk', 'make-config-drive', 'define', 'start']);
    expect(plan({ desired: desired({ diskLaunched: true }), files: { ...FILES, configDrive: false } }).steps).toEqual(['fetch-image', 'make-config-drive', 'define', 'start']);
  });
  it('defines again what somebody undefined, without starting a guest that was started', () => {
    expect(plan({ files: FILES, progress: started }).steps).toEqual(['define']);
    expect(plan({ files: { ...FILES, configDrive: false }, progress: built }).steps).toEqual(['make-config-drive', 'define', 'start']);
  });
  it('takes a domain over whose ledger was lost', () => {
    expect(plan({ domain: domain('running'), files: FILES })).toMatchObject({ steps: ['adopt'], state: 'running' });
  });
  it('deletes everything, and says absent only when nothing is left', () => {
    const gone = desired({ intent: 'deleted', generation: 2 });
    expect(plan({ desired: gone, domain: domain('running'), files: FILES }).steps).toEqual(['destroy', 'undefine', 'remove-files']);
    expect(plan({ desired: gone, domain: domain('stopped'), files: FILES }).steps).toEqual(['undefine', 'remove-files']);
    expect(plan({ desired: gone, files: { ...NO_FILES, any: true } })).toMatchObject({ steps: ['remove-files'], state: 'stopped' });
    expect(plan({ desired: gone })).toMatchObject({ steps: [], state: 'absent', doing: null });
  });
  it('does not touch a domain that is not ours, whatever is asked', () => {
    for (const intent of ['running', 'stopped', 'deleted'] as const) {
      expect(plan({ desired: desired({ intent }), domain: domain('running', null), files: FILES })).toMatchObject({ steps: [], error: { code: 'foreign-domain' } });
    }
  });
  it('only watches what was not named and when told to report only', () => {
    expect(plan({ listed: false, desired: desired({ intent: 'deleted' }), domain: domain('running'), files: FILES })).toMatchObject({ steps: [], state: 'running' });
    expect(plan({ desired: desired({ intent: 'deleted' }), domain: domain('running'), files: FILES }, { reportOnly: true }).steps).toEqual([]);
  });
  it('says that it does not know a newer control plane\'s intent, and touches nothing', () => {
    expect(plan({ desired: desired({ intent: 'shelved' }), domain: domain('running'), files: FILES, progress: started })).toMatchObject({ steps: [], state: 'running', error: { code: 'unsupported', final: true } });
  });
  it('holds back after a failure, gives up for a generation, tries again for the next', () => {
    const now = { nowMs: 1_000_000, bootId: 'boot-1', random: 1 };
    const rules = { attempts: 3, backoffMinMs: 500, backoffMaxMs: 30_000 };
    const failed = { generation: 1, step: 'start' as const, code: 'x', message: 'no', retry: 'counted' as const };
    let failure = judgeFailure(null, failed, now, rules);
    expect(plan({ progress: { ...built, failure } })).toMatchObject({ steps: [], doing: 'start', wakeAtMs: 1_000_500, error: { attempts: 1, final: false } });
    expect(plan({ progress: { ...built, failure }, files: FILES }, { nowMs: 1_000_500 }).steps).toEqual(['define', 'start']);
    failure = judgeFailure(judgeFailure(failure, failed, now, rules), failed, now, rules);
    expect(failure).toMatchObject({ attempts: 3, final: true });
    expect(plan({ progress: { ...built, failure }, files: FILES }, { nowMs: 2_000_000 })).toMatchObject({ steps: [], state: 'failed', doing: null });
    expect(plan({ desired: desired({ generation: 2 }), progress: { ...built, failure }, files: FILES }).steps).toEqual(['define', 'start']);
    expect(plan({ desired: desired({ intent: 'deleted' }), progress: { ...built, failure }, files: FILES }, { nowMs: 2_000_000 }).steps).toEqual(['remove-files']);
    expect(judgeFailure(failure, { ...failed, retry: 'free' }, now, rules)).toMatchObject({ attempts: 3, final: false });
    expect(judgeFailure(null, { ...failed, step: 'fetch-image', retry: 'never' }, now, rules)).toMatchObject({ final: true });
    expect(judgeFailure(null, { ...failed, step: 'destroy', retry: 'never' }, now, rules)).toMatchObject({ final: false });
  });
});
