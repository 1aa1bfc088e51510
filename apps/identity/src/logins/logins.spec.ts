import { expect, it } from '@jest/globals';
import { Logins } from './logins.js';
import type { LoginsRepository, Remembered } from './logins.repository.js';

const subject = Logins.subjectOf('u1', { id: 'u1' }, null);

function world() {
  const asked: string[][] = [];
  const waits = new Map<string, Remembered>();
  const repository = {
    look: (subjects: readonly string[]) => { asked.push([...subjects]); return Promise.resolve(new Map(subjects.flatMap((one) => { const it = waits.get(one); return it === undefined ? [] : [[one, it] as const]; }))); },
    count: () => Promise.resolve(true),
  } as unknown as LoginsRepository;
  return { asked, waits, logins: new Logins(repository, { region: 'r', tokenTtlS: 60 }) };
}

it('asks before a password is looked at about those alone that failed here, by account or by address', async () => {
  const { asked, logins } = world();
  await logins.admitEarly(subject, '192.0.2.1');
  expect(asked).toEqual([]);
  await logins.failed(subject, '192.0.2.1', { failures: 0, knownForDays: null });
  await logins.admitEarly(subject, '192.0.2.1');
  await logins.admitEarly(subject, '192.0.2.9');
  await logins.admitEarly(Logins.subjectOf('u2', { id: 'u2' }, null), '192.0.2.1');
  expect(asked).toHaveLength(3);
  await logins.admitEarly(Logins.subjectOf('u2', { id: 'u2' }, null), '192.0.2.9');
  expect(asked).toHaveLength(3);
});

it('knows from then on who has to wait by what others have counted', async () => {
  const { asked, waits, logins } = world();
  await logins.admit(subject, '192.0.2.1');
  const [pair] = asked[0] as [string];
  waits.set(pair, { failures: 9, waitS: 4, ageS: 1 });
  await logins.admitEarly(subject, '192.0.2.1');
  await expect(logins.admit(subject, '192.0.2.1')).rejects.toMatchObject({ kind: 'too-many-requests', retryAfterS: 4 });
  await expect(logins.admitEarly(subject, '192.0.2.1')).rejects.toMatchObject({ kind: 'too-many-requests' });
});
