import { expect, it } from '@jest/globals';
import type { Caller, ClaimedDevice } from '#libs/contracts';
import type { Bus } from '#libs/messaging';
import type { HostDirectory } from '../hosts/host-directory.js';
import type { Change } from '../instances/change.js';
import type { InstanceRow } from '../instances/instance-row.js';
import type { InstancesRepository } from '../instances/instances.repository.js';
import type { LoopBell } from '../lifecycle/loop-bell.js';
import { tempoOf } from '../tempo.js';
import { ClaimAttachment } from './claim-attachment.js';
import type { Attachment } from './decide/attachment.js';

const asked: Attachment = { id: 'a', className: 'net', count: 1, tag: null, vlan: null, numaPolicy: null, wanted: 'attached', attached: false, reason: null, devices: [], createdAt: '' };
const got: Attachment = { ...asked, devices: [{ deviceId: 'd' } as ClaimedDevice] };
const rowOf = (attachments: Attachment[], change: object = {}): InstanceRow => ({ id: 'i', host_id: 'h', generation: '1', intent: 'running', move_id: null, layout: null, attachments, ...change }) as unknown as InstanceRow;

/** Its host gives nothing; the row has become another one while it was asked. */
function refused(now: InstanceRow): Promise<InstanceRow> {
  const instances = {
    decideAndChange: (_id: string, decide: (row: InstanceRow) => Change | undefined) => {
      const change = decide(now);
      return Promise.resolve(change === undefined ? now : { ...now, ...change.set });
    },
  } as unknown as InstancesRepository;
  const bus = { ask: () => Promise.resolve({ outcome: 'refused', explanation: { filters: [{ name: 'devices', refused: 1, reason: 'There are none.', hosts: [] }] } }) } as unknown as Bus;
  const bell = { ring: () => undefined } as unknown as LoopBell;
  return new ClaimAttachment(instances, {} as HostDirectory, bell, bus, tempoOf()).claim({ isAdmin: false, requestId: 'r' } as Caller, rowOf([asked]), asked);
}

it('a refusal that was written is said', async () => {
  await expect(refused(rowOf([asked]))).rejects.toMatchObject({ kind: 'conflict', message: 'Cannot attach net to instance i: There are none.' });
});

it.each<[string, InstanceRow]>([
  ['the loop got them meanwhile', rowOf([got])],
  ['a move takes it along', rowOf([asked], { move_id: 'm' })],
])('a refusal that was not written is none: %s', async (_name, now) => {
  expect(await refused(now)).toBe(now);
});

it.each<[string, InstanceRow]>([
  ['refused by the loop too, and over', rowOf([])],
  ['detached meanwhile', rowOf([{ ...asked, wanted: 'detached' }])],
])('what is wanted no more is refused: %s', async (_name, now) => {
  await expect(refused(now)).rejects.toMatchObject({ kind: 'conflict' });
});
