import { describe, expect, it } from '@jest/globals';
import type { RememberedInstance } from '#libs/contracts';
import { comesAfter, compareHost, type KnownRow } from './compare.js';

const [A, B] = ['host-a', 'host-b'];
const entry = (id: string, generation: number, intent = 'running'): RememberedInstance => ({ desired: { id, name: id, generation, intent } as unknown as RememberedInstance['desired'], sequence: 1, state: 'running', source: 'ledger' });
const rebuilt = (generation: number): RememberedInstance => { const one = entry('s', generation); return { ...one, desired: { ...one.desired, specGeneration: 2, diskGeneration: 2 } }; };
const withDevice = (generation: number): RememberedInstance => { const one = entry('s', generation); return { ...one, desired: { ...one.desired, layout: { devices: [{ identity: 'mac:1/vf:0' }] } as never } }; };
const row = (id: string, change: Partial<KnownRow> = {}): [string, KnownRow] => [id, { id, name: id, intent: 'running', generation: 1, specGeneration: 1, diskGeneration: 1, hostId: A, hostName: 'a', finished: false, seen: true, phase: null, devices: [], others: [], ...change }];
const judge = (entries: RememberedInstance[], rows: [string, KnownRow][], elsewhere: RememberedInstance[] = []): string[] =>
  compareHost({ id: A, entries }, new Map(rows), [{ id: A, entries }, { id: B, entries: elsewhere }]).map(({ is, id }) => `${id} ${is}`);

describe('compareHost', () => {
  it.each<[string, RememberedInstance[], [string, KnownRow][], RememberedInstance[], string[]]>([
    ['the same', [entry('s', 1)], [row('s')], [], ['s agrees']],
    ['a change the host has not heard of', [entry('s', 1)], [row('s', { generation: 2 })], [], ['s agrees']],
    ['created since', [entry('s', 1)], [], [], ['s unknown']],
    ['changed since', [entry('s', 3)], [row('s')], [], ['s newer']],
    ['rebuilt since, and asked for something else after the restore', [rebuilt(2)], [row('s', { generation: 2 })], [], ['s newer']],
    ['rebuilt since, and deleted after the restore', [rebuilt(2)], [row('s', { generation: 2, intent: 'deleted' })], [], ['s agrees']],
    ['rebuilt after the restore', [entry('s', 1)], [row('s', { generation: 2, specGeneration: 2, diskGeneration: 2 })], [], ['s agrees']],
    ['got a device since, and asked for something else after the restore', [withDevice(2)], [row('s', { generation: 3 })], [], ['s newer']],
    ['got a device since, and deleted after the restore', [withDevice(2)], [row('s', { generation: 2, intent: 'deleted' })], [], ['s newer']],
    ['has a device that the database knows of', [withDevice(2)], [row('s', { generation: 3, devices: ['mac:1/vf:0'] })], [], ['s agrees']],
    ['moved here since', [entry('s', 3)], [row('s', { hostId: B })], [], ['s moved']],
    ['moved here since, and there it was told to go', [entry('s', 3)], [row('s', { hostId: B })], [entry('s', 2, 'deleted')], ['s moved']],
    ['placed here since', [entry('s', 1)], [row('s', { hostId: null })], [], ['s moved']],
    ['moved away since', [entry('s', 2, 'stopped')], [row('s')], [entry('s', 4)], ['s elsewhere']],
    ['moved away since and told to go', [entry('s', 2, 'deleted')], [row('s')], [entry('s', 4)], ['s left']],
    ['moved away since and forgotten', [], [row('s')], [entry('s', 4)], ['s left']],
    ['moved away since, before it was built here', [], [row('s', { seen: false })], [entry('s', 4)], ['s left']],
    ['deleted since and forgotten', [], [row('s')], [], ['s missing']],
    ['deleted since and not forgotten', [entry('s', 2, 'deleted')], [row('s')], [], ['s missing']],
    ['deleted since, and never known', [entry('s', 2, 'deleted')], [], [], ['s elsewhere']],
    ['not built when the backup was made', [], [row('s', { seen: false })], [], ['s agrees']],
    ['being deleted when the backup was made', [], [row('s', { intent: 'deleted' })], [], ['s agrees']],
    ['deleted for good while the host was fenced', [entry('s', 1)], [row('s', { generation: 2, finished: true, hostId: null })], [], ['s elsewhere']],
    ['on two hosts', [entry('s', 1)], [], [entry('s', 1)], ['s conflict']],
    ['on two hosts, the database names the other', [entry('s', 1)], [row('s', { hostId: B })], [entry('s', 1)], ['s conflict']],
    ['on two hosts, the database names this one', [entry('s', 1)], [row('s')], [entry('s', 1)], ['s agrees']],
    ['on this one at the same generation, the database names another', [entry('s', 1)], [row('s', { hostId: B })], [], ['s conflict']],
  ])('%s', (_name, entries, rows, elsewhere, expected) => { expect(judge(entries, rows, elsewhere)).toEqual(expected); });

  /** Moved from B to A, which has it since generation 4; B was told last to keep it off at generation 2. */
  const moving = (phase: string, wanted = 'stopped', change: Partial<KnownRow> = {}): [string, KnownRow] => row('s', { generation: 4, phase, others: [{ hostId: B, wanted, open: true }], ...change });
  const mirrored = (phase: string, wanted = 'stopped', change: Partial<KnownRow> = {}): [string, KnownRow] => row('s', { generation: 4, hostId: B, hostName: 'b', phase, others: [{ hostId: A, wanted, open: true }], ...change });
  const coming = (generation: number): RememberedInstance => {
    const one = entry('s', generation);
    return { ...one, desired: { ...one.desired, diskFrom: { transferId: 't' as never, key: 'k' } }, state: 'building', built: false };
  };
  it.each<[string, RememberedInstance[], [string, KnownRow][], RememberedInstance[], string[]]>([
    ['the source of a move keeps what it has', [entry('s', 2, 'stopped')], [mirrored('verify')], [entry('s', 4)], ['s agrees']],
    ['the source, and the destination has heard nothing yet', [entry('s', 2, 'stopped')], [mirrored('arrive')], [], ['s agrees']],
    ['the source, and the destination was told more since', [entry('s', 2, 'stopped')], [mirrored('verify')], [entry('s', 6)], ['s elsewhere']],
    ['the source, which was told more since: it went back', [entry('s', 6)], [mirrored('verify')], [entry('s', 5, 'deleted')], ['s moved']],
    ['the source was told to go since: it was confirmed', [entry('s', 3, 'deleted')], [mirrored('verify')], [entry('s', 4)], ['s let-go']],
    ['the source has let go and forgotten it', [], [mirrored('verify')], [entry('s', 4)], ['s let-go']],
    ['the source has let go, and the server is being deleted', [], [mirrored('verify', 'stopped', { intent: 'deleted' })], [entry('s', 4)], []],
    ['a host that is told to go by its move hears so by it', [entry('s', 2, 'stopped')], [mirrored('confirm', 'deleted')], [entry('s', 4)], ['s agrees']],
    ['the destination has heard nothing yet', [], [moving('arrive')], [entry('s', 2, 'stopped')], ['s agrees']],
    ['the destination waits for the disk', [coming(4)], [moving('arrive')], [entry('s', 2, 'stopped')], ['s agrees']],
    ['the destination was told to go since', [entry('s', 5, 'deleted')], [moving('arrive')], [entry('s', 2, 'stopped')], ['s returns']],
    ['the destination has forgotten it since', [], [moving('verify')], [entry('s', 2, 'stopped')], ['s returns']],
    ['nobody has it', [], [moving('verify')], [], ['s missing']],
    ['nobody has it, it was still to come', [coming(4)], [moving('arrive')], [entry('s', 3, 'deleted')], ['s missing']],
    ['nobody has it, as the source sees it', [], [mirrored('arrive')], [coming(4)], ['s missing']],
    ['handed over since, and the disk is still where it was: there', [entry('s', 2, 'stopped')], [row('s', { generation: 2, phase: 'stop' })], [coming(4)], ['s agrees']],
    ['handed over since, and the disk is still where it was: here', [coming(4)], [row('s', { generation: 2, phase: 'stop', hostId: B })], [entry('s', 2, 'stopped')], ['s elsewhere']],
    ['of an evacuation nothing comes back', [], [moving('arrive', 'deleted')], [entry('s', 2)], ['s agrees']],
  ])('moves: %s', (_name, entries, rows, elsewhere, expected) => { expect(judge(entries, rows, elsewhere)).toEqual(expected); });

  it('moves: a host that cannot be asked may have it', () => {
    const silent = { id: B, entries: [], problem: 'it does not answer' };
    const judgeBeside = (entries: RememberedInstance[], one: [string, KnownRow]): string[] => compareHost({ id: A, entries }, new Map([one]), [{ id: A, entries }, silent]).map(({ is }) => is);
    expect(judgeBeside([coming(4)], moving('arrive'))).toEqual(['agrees']);
    expect(judgeBeside([], moving('verify'))).toEqual(['returns']);
    expect(judgeBeside([], mirrored('verify'))).toEqual(['let-go']);
  });

  it('a host whose server is elsewhere by now comes after the host that has it, and not the other way round', () => {
    for (const here of [[], [entry('s', 2, 'stopped')], [entry('s', 2, 'deleted')]]) {
      const [onA, onB] = [{ id: A, entries: here }, { id: B, entries: [entry('s', 4)] }];
      const order = (host: typeof onA): string[] => [...comesAfter(compareHost(host, new Map([row('s')]), [onA, onB]))];
      expect([order(onA), order(onB)]).toEqual([[B], []]);
    }
  });

  it('of two hosts that remember, one at most goes on with it', () => {
    for (const a of [1, 2, 3]) for (const b of [1, 2, 3]) for (const named of [A, B, null]) {
      const [onA, onB] = [{ id: A, entries: [entry('s', a)] }, { id: B, entries: [entry('s', b)] }];
      const rows = new Map([row('s', { hostId: named, generation: 2 })]);
      const goesOn = [onA, onB].filter((host) => compareHost(host, rows, [onA, onB]).some(({ is }) => is === 'agrees' || is === 'newer' || is === 'moved' || is === 'unknown'));
      expect([a, b, named, goesOn.length]).not.toEqual([a, b, named, 2]);
    }
  });
});
