import { describe, expect, it } from '@jest/globals';
import { LIMITS } from '../limits.js';
import { PasswordHasher } from './password-hasher.js';

describe('passwords', () => {
  const hasher = new PasswordHasher();

  it('are kept as argon2id at the stated cost, salted', async () => {
    const [one, two] = [await hasher.hash('secret'), await hasher.hash('secret')];
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(one).not.toBe(two);
    expect([await hasher.matches(one, 'secret'), await hasher.matches(two, 'secret'), await hasher.matches(one, 'Secret'), await hasher.matches(one, '')]).toEqual([true, true, false, false]);
  });

  it('match nothing for nobody, at the same cost', async () => {
    const encoded = await hasher.hash('secret');
    const time = async (of: string | null): Promise<number> => {
      const started = performance.now();
      expect(await hasher.matches(of, 'wrong')).toBe(false);
      return performance.now() - started;
    };
    const known: number[] = [];
    const unknown: number[] = [];
    let ratio = 0;
    // The least of some: what else the machine does makes single ones longer, in bad moments several in a row.
    for (let i = 0; i < 100 && (i < 7 || ratio < 0.5 || ratio > 2); i += 1) {
      known.push(await time(encoded));
      unknown.push(await time(null));
      ratio = Math.min(...unknown) / Math.min(...known);
    }
    expect(ratio).toBeGreaterThanOrEqual(0.5);
    expect(ratio).toBeLessThanOrEqual(2);
  });

  it('wait in a bounded queue, and the queue empties also after failures', async () => {
    const bounded = new PasswordHasher();
    const results = await Promise.allSettled(Array.from({ length: LIMITS.passwordChecksAtOnce + LIMITS.passwordChecksQueued + 3 }, () => bounded.matches('not a hash', 'x')));
    const reasons = results.map((result) => (result.status === 'rejected' ? (result.reason as { kind?: string }).kind : 'fulfilled'));
    expect(reasons.filter((kind) => kind === 'too-many-requests')).toHaveLength(3);
    expect(await bounded.matches(null, 'x')).toBe(false);
  });
});
