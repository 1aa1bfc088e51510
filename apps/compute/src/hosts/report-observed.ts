import { Inject, Injectable } from '@nestjs/common';
import type { InstanceId, ObservedInstance, OutputOf, ReceivedBy, reportObserved } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { stale } from '#libs/errors';
import { LIMITS } from '../limits.js';
import { factsOf } from '../lifecycle/facts-of-row.js';
import { LoopBell } from '../lifecycle/loop-bell.js';
import { bookReport, type Booking } from './decide/book-report.js';
import { HostSessions } from './host-sessions.js';
import { ObservationsRepository, type ObservedRow } from './observations.repository.js';

type Report = ReceivedBy<typeof reportObserved>;

/**
 * Books what a host saw. What meets the wish is booked as done in the same statement, so a boot needs no further write;
 * proof of absence wakes the loop. Judged without a lock, written by version: a row that changed meanwhile is judged
 * anew. A crash before the write: the host reports again, for it got no answer.
 */
@Injectable()
export class ReportObserved {
  constructor(
    @Inject(DATABASE) private readonly db: Database, private readonly observations: ObservationsRepository,
    private readonly sessions: HostSessions, private readonly bell: LoopBell,
  ) {}

  async report(hostId: string, report: Report): Promise<OutputOf<typeof reportObserved>> {
    if (report.incarnation !== this.db.incarnation) {
      throw stale(`This report is of incarnation ${report.incarnation}, the control plane is in ${this.db.incarnation}: pull first.`);
    }
    const epoch = await this.sessions.check(hostId, report.bootId, report.epoch);
    const forget: InstanceId[] = [];
    // The last word of a batch on an instance counts.
    let open = new Map(report.instances.map((seen) => [seen.id as string, seen]));
    const strangers: ObservedInstance[] = [];
    for (let attempt = 0; open.size > 0; attempt += 1) {
      const rows = new Map((await this.observations.rows(hostId, [...open.keys()])).map((row) => [row.id, row]));
      const bookings: { row: ObservedRow; booking: Booking; forget: boolean; at: string }[] = [];
      for (const [id, seen] of open) {
        const row = rows.get(id);
        if (row === undefined) {
          // Not of this host, or finished: its absence needs no booking, its presence is nobody's wish.
          if (seen.state === 'absent') forget.push(seen.id);
          else strangers.push(seen);
          continue;
        }
        const verdict = bookReport(factsOf(row), { frozen: row.observed?.frozen }, seen);
        if ('book' in verdict) bookings.push({ row, booking: verdict.book, forget: verdict.forget, at: new Date().toISOString() });
        else if (verdict.forget) forget.push(seen.id);
      }
      if (bookings.length === 0) break;
      const booked = new Map((await this.observations.book(hostId, epoch, bookings)).map((entry) => [entry.id, entry]));
      for (const { row, forget: forgettable } of bookings) {
        const entry = booked.get(row.id);
        if (!entry) continue;
        if (entry.wake) this.bell.ring(row.id, { leased: entry.leased });
        if (forgettable) forget.push(row.id as InstanceId);
      }
      open = new Map(bookings.flatMap(({ row, booking }) => (booked.has(row.id) ? [] : [[row.id, booking.observed] as const])));
      // Fenced between the check and the write: nothing was booked, and nothing will be.
      if (open.size > 0 && attempt + 1 >= LIMITS.writeAttempts) throw stale('The instances of this report are being changed; pull and report again.');
    }
    await this.observations.noteOrphans(hostId, [...report.orphans, ...strangers.map(({ id }) => ({ uuid: id as string, name: 'unknown instance' }))].filter(({ uuid }) => UUID.test(uuid)));
    return { forget };
  }
}

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
