import { describe, expect, it } from '@jest/globals';
import type { ClaimedDevice, ObservedDevice } from '#libs/contracts';
import type { Attachment } from '../../attachments/decide/attachment.js';
import { bookReport } from '../../hosts/decide/book-report.js';
import { tempoOf } from '../../tempo.js';
import type { InstanceFacts } from './facts.js';
import { nextAttachmentStep } from './next-attachment-step.js';
import { nextStep } from './next-step.js';

const ID = 'a77ac4ed-0000-4000-8000-000000000001';
const device: ClaimedDevice = {
  deviceId: 'de71ce00-0000-4000-8000-000000000001', identity: 'mac:a/vf:0', className: 'net', generation: 3, numaNode: 0, need: 1, attachment: ID, place: 1, attach: 'interface', mac: null, vlan: null, physicalNetwork: null,
};
const attachment = (change: Partial<Attachment> = {}): Attachment =>
  ({ id: ID, className: 'net', count: 1, tag: null, vlan: null, numaPolicy: null, wanted: 'attached', attached: false, reason: null, devices: [device], createdAt: '2026-01-01T00:00:00.000Z', ...change });
const seen = (state: string, change: Partial<ObservedDevice> = {}): ObservedDevice => ({ deviceId: device.deviceId, identity: device.identity, generation: 3, state, ...change });
const facts = (one: Attachment, devices: ObservedDevice[] | undefined, change: Partial<InstanceFacts> = {}): InstanceFacts => ({
  intent: 'running', generation: 5, specGeneration: 1, rebootCount: 0, step: 'settled', launched: true, finished: false, withdrawn: false, diskGeneration: 1, rebuilding: false, hold: null, move: null, elsewhere: 0,
  host: { id: 'h', name: 'host-1' }, attachments: [one], waitedMs: 0, attempts: 0, lastError: null, now: {},
  observed: { state: 'running', generation: 5, rebootCount: 0, doing: null, error: null, built: { specGeneration: 1, diskGeneration: 1 }, devices }, ...change,
});
const does = (...given: Parameters<typeof facts>): string | undefined => nextAttachmentStep(facts(...given))?.do;
const older = { observed: { ...facts(attachment(), []).observed, generation: 4 } };
const leaving = attachment({ wanted: 'detached' });

describe('an attachment', () => {
  it.each<[string, string | undefined, Parameters<typeof facts>]>([
    ['without devices asks for them', 'claim-devices', [attachment({ devices: [] }), undefined]],
    ['not while its server is at something else', undefined, [attachment({ devices: [] }), undefined, { step: 'wait-host' }]],
    ['not while it moves', undefined, [attachment({ devices: [] }), [], { move: { kind: 'resize', phase: 'verify' } }]],
    ['not when it is deleted', undefined, [attachment({ devices: [] }), [], { intent: 'deleted' }]],
    ['waits for its host', undefined, [attachment(), [seen('attaching')]]],
    ['waits for a host that says nothing of it yet', undefined, [attachment(), []]],
    ['is there', 'note-attached', [attachment(), [seen('attached')]]],
    ['is there, by an answer to an older word: that is another matter', undefined, [attachment(), [seen('attached')], older]],
    ['of an older hold is not this one', undefined, [attachment(), [seen('attached', { generation: 2 })]]],
    ['is there, as was noted', undefined, [attachment({ attached: true }), [seen('attached')]]],
    ['half of it is there', undefined, [attachment({ devices: [device, { ...device, deviceId: ID }] }), [seen('attached')]]],
    ['that will never be there is taken back', 'take-back', [attachment(), [seen('failed', { message: 'no' })]]],
    ['that was there once waits to be there again', undefined, [attachment({ attached: true }), [seen('failed')]]],
    ['leaving, told to nobody', 'release-devices', [attachment({ wanted: 'detached', devices: [] }), undefined, older]],
    ['leaving, told to nobody, from a server in ERROR', 'release-devices', [attachment({ wanted: 'detached', devices: [] }), undefined, { ...older, step: 'failed' }]],
    ['leaving a server in ERROR whose host has not answered: no proof', undefined, [leaving, [], { ...older, step: 'failed' }]],
    ['leaving, in the domain still', undefined, [leaving, [seen('detaching')]]],
    ['leaving, and its guest is deaf', undefined, [leaving, [seen('needs-guest-stop')]]],
    ['leaving, by an identity alone', undefined, [leaving, [seen('detaching', { deviceId: undefined })]]],
    ['leaving, attached at whatever hold', undefined, [leaving, [seen('attached', { generation: 1 })]]],
    ['gone', 'release-devices', [leaving, []]],
    ['gone, and there again by another attachment', 'release-devices', [leaving, [seen('attached', { generation: 4 })]]],
    ['gone, others are there', 'release-devices', [leaving, [seen('attached', { deviceId: ID })]]],
    ['gone, by an answer to an older word: no proof', undefined, [leaving, [], older]],
    ['gone, by an agent that does not speak of devices: no proof', undefined, [leaving, undefined]],
    ['left behind on a host that the server has left, whatever this one says', 'release-devices', [attachment({ wanted: 'detached', hostId: 'h2' }), undefined]],
    ['leaving this very host', undefined, [attachment({ wanted: 'detached', hostId: 'h' }), undefined]],
    ['gone from a server in ERROR', 'release-devices', [leaving, [], { step: 'failed' }]],
  ])('%s', (_name, expected, given) => { expect(does(...given)).toBe(expected); });
});

describe('its server', () => {
  const tempo = tempoOf();
  it('never fails for it, however long its host takes, and has no task', () => {
    const waiting = facts(attachment(), undefined, { ...older, waitedMs: 10 * tempo.operateDeadlineMs, now: { hostAlive: true } });
    expect(nextStep(waiting, tempo)).toMatchObject({ do: 'wait-host' });
  });

  it('rests while a deaf guest has it', () => { expect(nextStep(facts(leaving, [seen('needs-guest-stop')]), tempo)).toEqual({ do: 'rest' }); });

  it('goes on with a report that says something of it, and with no other', () => {
    const report = (one: Attachment, before: ObservedDevice[] | undefined, after: ObservedDevice[] | undefined) =>
      bookReport(facts(one, before), { frozen: undefined }, { id: ID as never, generation: 5, state: 'running', rebootCount: 0, startedAtMs: null, doing: null, error: null, built: { specGeneration: 1, diskGeneration: 1 }, ...(after !== undefined && { devices: after }) });
    expect(report(attachment(), [seen('attaching')], [seen('attached')])).toMatchObject({ book: { step: 'settled', loop: 'now', event: null } });
    expect(report(leaving, undefined, [])).toMatchObject({ book: { loop: 'now' } });
    expect(report(leaving, [seen('detaching')], [seen('needs-guest-stop')])).toMatchObject({ book: { loop: 'never' } });
    expect(report(leaving, [seen('detaching')], [{ ...seen('detaching') }])).toMatchObject({ ignore: 'unchanged' });
    expect(bookReport(facts(attachment(), undefined, { attachments: [] }), { frozen: undefined }, { ...({ id: ID } as never as { id: never }), generation: 5, state: 'running', rebootCount: 0, startedAtMs: null, doing: null, error: null, built: { specGeneration: 1, diskGeneration: 1 }, devices: [] })).toMatchObject({ ignore: 'unchanged' });
  });
});
