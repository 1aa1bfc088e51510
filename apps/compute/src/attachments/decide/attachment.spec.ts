import { expect, it } from '@jest/globals';
import type { ClaimedDevice, Layout } from '#libs/contracts';
import { attachmentsAgain, type Attachment } from './attachment.js';

const device = (identity: string, attachment: string): ClaimedDevice => ({ identity, attachment, className: 'net', vlan: null }) as unknown as ClaimedDevice;
const one = (id: string, identity: string, change: Partial<Attachment> = {}): Attachment =>
  ({ id, className: 'net', count: 1, tag: null, vlan: null, numaPolicy: null, wanted: 'attached', attached: true, reason: null, devices: [device(identity, id)], hostId: 'h', createdAt: '', ...change });
const layout = (...devices: ClaimedDevice[]): Layout => ({ devices }) as unknown as Layout;
const again = (before: Attachment[], given: Layout | null, others: string[] = []): [string, string, string | undefined][] =>
  attachmentsAgain(before, given, 'h', new Set(others), '').map(({ id, wanted, devices }) => [id, wanted, devices[0]?.identity]);

it('a row that follows its host has what was given, and what may not have been let go yet leaves', () => {
  expect(again([], layout(device('x', 'a')))).toEqual([['a', 'attached', 'x']]);
  // Detached after the backup was made, or before: a deaf guest has it still.
  expect(again([one('b', 'y')], layout(device('x', 'a')))).toEqual([['a', 'attached', 'x'], ['b', 'detached', 'y']]);
  expect(again([one('b', 'y', { wanted: 'detached' })], null)).toEqual([['b', 'detached', 'y']]);
  // The host was told of it again, or has given it to somebody else: then it had been let go.
  expect(again([one('b', 'x')], layout(device('x', 'a')))).toEqual([['a', 'attached', 'x']]);
  expect(again([one('b', 'y')], null, ['y'])).toEqual([]);
  // No host was ever told of it.
  expect(again([one('b', 'y', { devices: [] })], null)).toEqual([]);
});
