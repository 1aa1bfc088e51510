import { describe, expect, it } from '@jest/globals';
import { desired, FILES, FROZEN, layout, layoutCell, observedDomain as domain, world } from '../testing/builders.js';
import { driftOf, strangers } from './drift.js';
import { NO_FILES, NO_PROGRESS, type InstanceFacts } from './facts.js';
import { planInstance } from './plan.js';

const started = { ...NO_PROGRESS, built: 1, configDrive: 'drive', frozen: FROZEN, definition: 'd', started: { generation: 1, bootId: 'boot-1' } };
const facts = (change: Partial<InstanceFacts>): InstanceFacts => ({ desired: desired(), listed: true, progress: started, domain: domain('running', {}, { definition: 'd' }), files: FILES, configDrive: 'drive', ...change });
const kinds = (change: Partial<InstanceFacts>): string[] => {
  const at = facts(change);
  return driftOf(at, planInstance(at, world()), world()).map(({ kind }) => kind);
};

describe('drift', () => {
  it.each<[string, Partial<InstanceFacts>, string[]]>([
    ['as it shall be', {}, []],
    ['off, as asked', { desired: desired({ intent: 'stopped' }), domain: domain('stopped') }, []],
    ['ended by itself', { domain: domain('stopped') }, ['ended-by-itself']],
    ['crashed', { domain: domain('crashed') }, ['ended-by-itself']],
    ['being started', { desired: desired({ generation: 2 }), domain: domain('stopped') }, []],
    ['edited', { domain: domain('running', {}, { definition: 'other' }) }, ['changed-definition']],
    ['booked by an agent that counted its devices in', { domain: domain('running', {}, { definition: 'other', definitionWithDevices: 'd' }) }, []],
    ['pinned elsewhere while it runs', { domain: domain('running', {}, { definition: 'd', retuned: true }) }, ['changed-definition']],
    ['defined by an older agent', { progress: { ...started, definition: null }, domain: domain('running', {}, { definition: 'other' }) }, []],
    ['its disk removed while it runs', { files: { ...FILES, disks: [] } }, ['disk-missing']],
    ['its disk removed while it is off', { desired: desired({ generation: 2 }), domain: domain('stopped'), files: { ...FILES, disks: [] } }, ['disk-missing']],
    ['its disk gone, and all that its host knew', { desired: desired({ diskLaunched: true }), progress: NO_PROGRESS, domain: null, files: NO_FILES }, ['disk-missing']],
    ['saved by hand', { domain: domain('stopped', {}, { saved: true }) }, ['ended-by-itself']],
    ['off, and saved by hand', { desired: desired({ intent: 'stopped' }), domain: domain('stopped', {}, { saved: true }) }, ['saved-memory']],
    ['suspended', { desired: desired({ intent: 'suspended' }), domain: domain('stopped', {}, { saved: true }) }, []],
    ['halted', { domain: domain('paused', {}, { pausedBy: 'fault', reason: 'ioerror' }) }, ['guest-halted']],
    ['not ours', { domain: domain('running', null) }, ['foreign-domain']],
    ['not named', { listed: false }, ['unlisted']],
    ['given up', { desired: desired({ specGeneration: 1, intent: 'shelved' }) }, ['given-up']],
  ])('%s', (_, change, found) => {
    expect(kinds(change)).toEqual(found);
  });

  it('names guests that run on CPUs of before, and those whose CPUs were taken away', () => {
    const divided = world({ cpus: { shared: '0-1', dedicated: [2] } });
    const pinned = (cpu: number): InstanceFacts['desired'] => desired({ layout: layout({ cells: [layoutCell({ pins: [[0, cpu]] })] }) });
    const said = (change: Partial<InstanceFacts>): [string, string][] => driftOf(facts(change), planInstance(facts(change), divided), divided).map(({ kind, what }) => [kind, what]);
    expect(said({ domain: domain('running', { sharedCpus: '0-1' }, { definition: 'd' }) })).toEqual([]);
    expect(said({})).toEqual([['outdated-cpus', expect.stringContaining('shared CPUs were all; now they are 0-1')]]);
    expect(said({ desired: pinned(2), domain: domain('running', { sharedCpus: '0-1' }, { definition: 'd' }) })).toEqual([]);
    expect(said({ desired: pinned(3), domain: domain('running', { sharedCpus: '0-1' }, { definition: 'd' }) })).toEqual([['outdated-cpus', expect.stringContaining('CPU 3 was claimed for it alone')]]);
  });

  it('names strangers once each, and nothing that is known', () => {
    const known = new Set(['a']);
    expect(strangers(known, [{ id: 'a', name: 'x' }, { id: 'b', name: 'y' }], ['a', 'b', 'c']).map(({ kind, id }) => [kind, id])).toEqual([['orphan-domain', 'b'], ['orphan-files', 'c']]);
  });
});
