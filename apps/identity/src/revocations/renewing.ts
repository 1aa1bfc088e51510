import type { Database } from '#libs/db';
import { hasRevoked } from './revocations.repository.js';

/**
 * A database whose transactions, when they revoked something, answer only after this process has heard of it: what was taken
 * away has ended here when the change is answered; elsewhere within a second or two.
 * @param renew never fails.
 */
export const renewing = (db: Database, renew: () => Promise<void>): Database => ({
  get prisma() { return db.prisma; },
  get pool() { return db.pool; },
  get cellId() { return db.cellId; },
  get cloudId() { return db.cloudId; },
  get incarnation() { return db.incarnation; },
  get reachable() { return db.reachable; },
  close: () => db.close(),
  async transaction(work) {
    let revoked = false;
    const result = await db.transaction(async (client) => {
      // The client may have carried another transaction before, which failed.
      hasRevoked(client);
      const done = await work(client);
      revoked = hasRevoked(client);
      return done;
    });
    if (revoked) await renew();
    return result;
  },
});
