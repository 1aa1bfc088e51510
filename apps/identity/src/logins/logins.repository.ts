import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, HOT, type Database } from '#libs/db';
import type { LoginRules } from '../identity.config.js';
import { LIMITS } from '../limits.js';

export interface Remembered { failures: number; waitS: number; /** Seconds since it was last changed. */ ageS: number }

/** Takes back a count that was begun. */
class Waits extends Error {}

/**
 * Failed logins, for all processes together; and, as rows without failures, from where an account logged in lately.
 */
@Injectable()
export class LoginsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** What is known of each; those of whom nothing is known are left out. */
  async look(subjects: readonly string[], forgetS: number): Promise<Map<string, Remembered>> {
    const { rows } = await this.db.pool.query<{ subject: string; failures: number; wait_s: number; age_s: number }>(
      `${HOT} SELECT subject, failures, greatest(0, coalesce(extract(epoch FROM blocked_until - now()), 0))::float8 AS wait_s, extract(epoch FROM now() - last_at)::float8 AS age_s
         FROM identity.login_failures WHERE subject = ANY($1::text[])
          AND (last_at > now() - $2 * interval '1 s' OR blocked_until > now() OR (failures = 0 AND last_at > now() - interval '${LIMITS.knownAddressDays} days'))`, [subjects, forgetS]);
    return new Map(rows.map((row) => [row.subject, { failures: row.failures, waitS: row.wait_s, ageS: row.age_s }]));
  }

  /**
   * Counts one failure of each. Rows are taken in one order, so that two of them never wait for each other.
   * @param subjects with the failures that are free.
   * @returns false, with nothing counted, when one of them has to wait by now: others failed while this one was looked at.
   */
  async count(subjects: readonly { subject: string; free: number }[], rules: LoginRules): Promise<boolean> {
    const sorted = subjects.toSorted((a, b) => (a.subject < b.subject ? -1 : 1));
    return this.db.transaction(async (client) => {
      for (const { subject, free } of sorted) {
        // How long to wait grows as powers of two do; 30 of them are more than any longest wait.
        const { rowCount } = await client.query(
          `INSERT INTO identity.login_failures AS f (subject, failures, last_at) VALUES ($1, 1, now())
           ON CONFLICT (subject) DO UPDATE SET
             failures = CASE WHEN f.last_at > now() - $2 * interval '1 s' THEN f.failures + 1 ELSE 1 END,
             last_at = now(),
             blocked_until = CASE WHEN f.last_at > now() - $2 * interval '1 s' AND f.failures + 1 >= $3
                                  THEN now() + least($5, $4 * power(2, least(f.failures + 1 - $3, 30))) * interval '1 s' END
             WHERE f.blocked_until IS NULL OR f.blocked_until <= now()`,
          [subject, rules.forgetS, free, rules.delayS, rules.longestDelayS]);
        if (rowCount === 0) throw new Waits();
      }
      return true;
    }).catch((error: unknown) => {
      if (error instanceof Waits) return false;
      throw error;
    });
  }

  async forget(subject: string): Promise<void> {
    await this.db.pool.query('DELETE FROM identity.login_failures WHERE subject = $1', [subject]);
  }

  /** It logged in from there. */
  async know(subject: string): Promise<void> {
    await this.db.pool.query('INSERT INTO identity.login_failures (subject, failures, last_at) VALUES ($1, 0, now()) ON CONFLICT (subject) DO UPDATE SET last_at = now()', [subject]);
  }

  async purge(forgetS: number): Promise<void> {
    await this.db.pool.query(
      `DELETE FROM identity.login_failures WHERE subject IN (
         SELECT subject FROM identity.login_failures
          WHERE last_at < now() - $1 * interval '1 s' AND (blocked_until IS NULL OR blocked_until < now()) AND (failures > 0 OR last_at < now() - interval '${LIMITS.knownAddressDays} days')
          ORDER BY last_at LIMIT ${LIMITS.purgedAtOnce})`, [forgetS]);
  }
}
