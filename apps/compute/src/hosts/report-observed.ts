import { Inject, Injectable } from '@nestjs/common';
import type { InstanceId, ObservedInstance, OutputOf, ReceivedBy, reportObserved } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { stale } from '#libs/errors';
import { LIMITS } from '../limits.js';
import { factsOf } from '../lifecycle/facts-of-row.js';
import { LoopBell } from '../lifecycle/loop-bell.js';
import { OtherObservationsRepository } from '../moves/other-observations.repository.js';
import { bookReport, type Booking } from './decide/book-report.js';
import { buildEndedWith } from './decide/build-ended.js';
import { isOvertaken } from './decide/is-overtaken.js';
import { DeparturesRepository } from './departures.repository.js';
import { HostDirectory } from './host-directory.js';
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
    private readonly sessions: HostSessions, private readonly bell: LoopBell, private readonly departures: DeparturesRepository, private readonly others: OtherObservationsRepository,
    private readonly hosts: HostDirectory,
  ) {}

  async report(hostId: string, report: Report): Promise<OutputOf<typeof reportObserved>> {
    if (report.incarnation !== this.db.incarnation) {
      throw stale(`This report is of incarnation ${report.incarnation}, the control plane is in ${this.db.incarnation}: pull first.`);
    }
    const { epoch, adopted } = await this.sessions.session(hostId, report.bootId, report.epoch);
    // What it was told last is over, or not known to us: nothing follows from what it sees, and nothing is forgotten.
    let looked = await this.observations.look(hostId, report.instances.map(({ id }) => id));
    if (!adopted || looked.fenced) return this.#listen(hostId, report);
    const forget: InstanceId[] = [];
    // The last word of a batch on an instance counts.
    let open = new Map(report.instances.map((seen) => [seen.id as string, seen]));
    const notItsOwn: ObservedInstance[] = [];
    for (let attempt = 0; open.size > 0; attempt += 1) {
      if (attempt > 0) looked = await this.observations.look(hostId, [...open.keys()]);
      const rows = new Map(looked.rows.map((row) => [row.id, row]));
      const bookings: { row: ObservedRow; booking: Booking; forget: boolean; at: string }[] = [];
      for (const [id, seen] of open) {
        const row = rows.get(id);
        if (row === undefined) {
          notItsOwn.push(seen);
          continue;
        }
        if (isOvertaken(row.observed?.reported, report)) continue;
        const verdict = bookReport(factsOf(row), { frozen: row.observed?.frozen }, seen);
        if ('book' in verdict) bookings.push({ row, booking: verdict.book, forget: verdict.forget, at: new Date().toISOString() });
        else if (verdict.forget) forget.push(seen.id);
      }
      if (bookings.length === 0) break;
      const booked = new Map((await this.observations.book(hostId, epoch, bookings, report)).map((entry) => [entry.id, entry]));
      for (const { row, booking, forget: forgettable } of bookings) {
        const entry = booked.get(row.id);
        if (!entry) continue;
        const good = buildEndedWith(factsOf(row).launched, booking);
        if (good !== null) this.hosts.buildEnded(hostId, good);
        if (entry.wake) this.bell.ring(row.id, { leased: entry.leased });
        if (forgettable) forget.push(row.id as InstanceId);
      }
      open = new Map(bookings.flatMap(({ row, booking }) => (booked.has(row.id) ? [] : [[row.id, booking.observed] as const])));
      // Fenced between the check and the write: nothing was booked, and nothing will be.
      if (open.size > 0 && attempt + 1 >= LIMITS.writeAttempts) throw stale('The instances of this report are being changed; pull and report again.');
    }
    const others = await this.others.book(hostId, epoch, notItsOwn, report);
    // Of no move either, or finished: its absence needs no booking, its presence is nobody's wish.
    forget.push(...notItsOwn.filter(({ id, state }) => others.get(id)?.forget ?? state === 'absent').map(({ id }) => id));
    const strangers = await this.#strangers(hostId, notItsOwn.filter(({ id, state }) => !others.has(id) && state !== 'absent'));
    // What left this host while it was fenced: its absence ends that, its presence is shown.
    const departed = await this.departures.seen(hostId, report.instances.filter(({ id }) => forget.includes(id) || strangers.some((stranger) => stranger.id === id)));
    await this.observations.noteOrphans(hostId, [...report.orphans, ...strangers.filter(({ id }) => !departed.has(id)).map(({ id }) => ({ uuid: id as string, name: 'unknown instance' }))].filter(({ uuid }) => UUID.test(uuid)));
    return { forget };
  }

  /** A move may have come back to this host between the two looks: it was the other one at the first, and is its own at the second. */
  async #strangers(hostId: string, unknown: readonly ObservedInstance[]): Promise<readonly ObservedInstance[]> {
    if (unknown.length === 0) return unknown;
    const own = new Set((await this.observations.rows(hostId, unknown.map(({ id }) => id))).map(({ id }) => id));
    return unknown.filter(({ id }) => !own.has(id));
  }

  /** Of a host that only reports: what is still there of what left it, and what nobody here knows. */
  async #listen(hostId: string, report: Report): Promise<OutputOf<typeof reportObserved>> {
    const there = report.instances.filter(({ state }) => state !== 'absent');
    const [departed, { rows }] = await Promise.all([this.departures.seen(hostId, there), this.observations.look(hostId, there.map(({ id }) => id))]);
    const own = new Set(rows.map(({ id }) => id));
    const left = there.filter(({ id }) => !own.has(id) && !departed.has(id)).map(({ id, state }) => ({ uuid: id as string, name: `a server that is elsewhere now (${state} here)` }));
    await this.observations.noteOrphans(hostId, [...report.orphans, ...left].filter(({ uuid }) => UUID.test(uuid)));
    return { forget: [] };
  }
}

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
