import { describe, expect, it } from '@jest/globals';
import type { RememberedInstance } from '#libs/contracts';
import { compareHost, type KnownRow } from './compare.js';

const [A, B] = ['host-a', 'host-b'];
const entry = (id: string, generation: number, intent = 'running'): RememberedInstance => ({ desired: { id, name: id, generation, intent } as unknown as RememberedInstance['desired'], sequence: 1, state: 'running', source: 'ledger' });
const row = (id: string, change: Partial<KnownRow> = {}): [string, KnownRow] => [id, { id, name: id, intent: 'running', generation: 1, hostId: A, hostName: 'a', finished: false, seen: true, ...change }];
const judge = (entries: RememberedInstance[], rows: [string, KnownRow][], elsewhere: RememberedInstance[] = []): string[] =>
  compareHost({ id: A, entries }, new Map(rows), [{ id: A, entries }, { id: B, entries: elsewhere }]).map(({ is, id }) => `${id} ${is}`);

describe('compareHost', () => {
  it.each<[string, RememberedInstance[], [string, KnownRow][], RememberedInstance[], string[]]>([
    ['the same', [entry('s', 1)], [row('s')], [], ['s agrees']],
    ['a change the host has not heard of', [entry('s', 1)], [row('s', { generation: 2 })], [], ['s agrees']],
    ['created since', [entry('s', 1)], [], [], ['s unknown']],
    ['changed since', [entry('s', 3)], [row('s')], [], ['s newer']],
    ['moved here since', [entry('s', 3)], [row('s', { hostId: B })], [], ['s moved']],
    ['moved here since, and there it was told to go', [entry('s', 3)], [row('s', { hostId: B })], [entry('s', 2, 'deleted')], ['s moved']],
    ['placed here since', [entry('s', 1)], [row('s', { hostId: null })], [], ['s moved']],
    ['moved away since', [entry('s', 2, 'stopped')], [row('s')], [entry('s', 4)], ['s elsewhere']],
    ['moved away since and told to go', [entry('s', 2, 'deleted')], [row('s')], [entry('s', 4)], []],
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

  it('of two hosts that remember, one at most goes on with it', () => {
    for (const a of [1, 2, 3]) for (const b of [1, 2, 3]) for (const named of [A, B, null]) {
      const [onA, onB] = [{ id: A, entries: [entry('s', a)] }, { id: B, entries: [entry('s', b)] }];
      const rows = new Map([row('s', { hostId: named, generation: 2 })]);
      const goesOn = [onA, onB].filter((host) => compareHost(host, rows, [onA, onB]).some(({ is }) => is === 'agrees' || is === 'newer' || is === 'moved' || is === 'unknown'));
      expect([a, b, named, goesOn.length]).not.toEqual([a, b, named, 2]);
    }
  });
});
