/**
 * Takes a host's word of its devices. Owns what rows of devices have from hosts; never who holds a device. One transaction for
 * a page; if the process dies before it commits, the host says it again.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { OutputOf, ReceivedBy, reportDevices } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { badRequest, conflict, forbidden, stale } from '#libs/errors';
import { LOGGER, type Logger } from '#libs/observability';
import { LIMITS } from '../limits.js';
import { meters } from '../metrics.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { placeRows } from './decide/place-rows.js';
import { DEVICES_PER_HOST, type StockDevice } from './decide/stock.js';
import { takeAbsence, takeReport, type Reporter, type Taken } from './decide/take-report.js';
import { holdsOf } from './decide/wishes.js';
import { DeviceTrouble, type Trouble } from './device-trouble.js';
import { DevicesRepository, type Told } from './devices.repository.js';
import { versionOf } from './wishes-version.js';

type Report = ReceivedBy<typeof reportDevices>;
interface Session { name: string; boot_id: string | null; epoch: number; adopted: boolean; reading: number; said_boot: string | null; problems: Report['problems']; asked_at: Date | null }

@Injectable()
export class ReportDevices {
  constructor(
    private readonly devices: DevicesRepository, private readonly trouble: DeviceTrouble, private readonly snapshot: Snapshot,
    @Inject(DATABASE) private readonly db: Database, @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async execute(hostId: string, report: Report): Promise<OutputOf<typeof reportDevices>> {
    if (report.incarnation !== this.db.incarnation) throw stale(`This report is of incarnation ${report.incarnation}, the control plane is in ${this.db.incarnation}: ask for your wishes first.`);
    this.#check(report);
    const done = await this.db.transaction((client) => this.#store(client, hostId, report));
    if (done.written > 0) this.snapshot.wake();
    meters.deviceReports.inc({ outcome: done.written > 0 ? 'stored' : 'known' });
    for (const { kind, identity, message, instanceId } of done.troubles) this.logger.warn({ hostId, identity, kind, instanceId }, `a device of a server: ${message}`);
    if (done.troubles.length > 0) this.trouble.wake();
    return { wishes: done.wishes };
  }

  /** What the schema cannot say. */
  #check({ devices, range }: Report): void {
    const names = new Set(devices.map(({ identity }) => identity));
    if (names.size < devices.length) throw badRequest('A device is named twice in this report.');
    const outside = devices.find(({ identity }) => !inRange(identity, range));
    if (outside !== undefined) throw badRequest(`Device ${outside.identity} lies outside of the range that this report is of.`);
    const wild = devices.find(({ cleanAt, dirty }) => Math.max(cleanAt ?? 0, dirty?.generation ?? 0) > LIMITS.deviceGenerations);
    if (wild !== undefined) throw badRequest(`Device ${wild.identity} is said to be at a generation beyond ${LIMITS.deviceGenerations}.`);
  }

  async #store(client: PoolClient, hostId: string, report: Report): Promise<{ written: number; wishes: string; troubles: Trouble[] }> {
    const session = await this.#admit(client, hostId, report);
    await this.devices.lock(client, [hostId]);
    const definitions = await this.devices.definitions(client);
    const [host] = await this.devices.hosts([hostId], client);
    const before = (await this.devices.stock([hostId], client)).get(hostId)!;
    // Overtaken by a later look of the same boot: it tells nothing any more.
    if (session.said_boot === report.bootId && report.reading < session.reading) {
      const { wishes } = placeRows(host!, before, definitions);
      return { written: 0, wishes: versionOf({ pools: wishes, holds: holdsOf(before, definitions.classes) }, session.asked_at), troubles: [] };
    }
    const { rows, told, troubles } = take(before, report, { informed: report.wishes !== null, adopted: session.adopted });
    if (rows.length > DEVICES_PER_HOST) throw badRequest(`A host may have ${DEVICES_PER_HOST} devices, those that are missing included; this would make it ${rows.length}.`);
    const placed = placeRows(host!, rows, definitions);
    const written = await this.devices.write(client, hostId, before, placed.rows);
    await this.devices.tell(client, hostId, [...told, ...placed.told]);
    const ofServers = troubles.map((one) => ({ ...one, hostId, hostName: session.name }));
    await this.trouble.write(client, ofServers);
    await client.query(`
      INSERT INTO scheduler.device_hosts AS x (host_id, boot_id, reading, applied, problems, reported_at, resolved) VALUES ($1, $2, $3, $4, $5, now(), $6)
      ON CONFLICT (host_id) DO UPDATE SET boot_id = excluded.boot_id, reading = excluded.reading, applied = excluded.applied, problems = excluded.problems, reported_at = excluded.reported_at, resolved = excluded.resolved`,
    // Of what lies in other ranges the other pages tell.
    [hostId, report.bootId, report.reading, report.wishes, JSON.stringify([...session.problems.filter(({ identity }) => !inRange(identity, report.range)), ...report.problems].slice(0, DEVICES_PER_HOST)), definitions.version]);
    return {
      written, wishes: versionOf({ pools: placed.wishes, holds: holdsOf(placed.rows, definitions.classes) }, session.asked_at),
      troubles: ofServers,
    };
  }

  /** The host's row first, then its capacity: the order of all who need both. A fence waits for us, or we see it. */
  async #admit(client: PoolClient, hostId: string, report: Report): Promise<Session> {
    const { rows: [session] } = await client.query<Session>(`
      SELECT h.name, h.boot_id, h.epoch, h.adopted_incarnation = $2 AND h.fenced_at IS NULL AS adopted, coalesce(x.reading, 0)::float8 AS reading, x.boot_id AS said_boot, coalesce(x.problems, '[]') AS problems, x.asked_at
      FROM scheduler.hosts h LEFT JOIN scheduler.device_hosts x ON x.host_id = h.id WHERE h.id = $1 FOR SHARE OF h`, [hostId, this.db.incarnation]);
    if (session === undefined) throw forbidden('This host is not enrolled.');
    if (session.boot_id !== report.bootId) throw conflict('Another session speaks for this host; report the inventory first.');
    if (session.epoch !== report.epoch) throw stale(`This report is of epoch ${report.epoch}, the host is in ${session.epoch}.`);
    return session;
  }
}

const inRange = (identity: string, { after, upTo }: Report['range']): boolean => (after === null || identity > after) && (upTo === null || identity <= upTo);

function take(before: readonly StockDevice[], report: Report, reporter: Reporter): { rows: StockDevice[]; told: Told[]; troubles: Omit<Trouble, 'hostId' | 'hostName'>[] } {
  const known = new Map(before.map((row) => [row.identity, row]));
  const said = new Set(report.devices.map(({ identity }) => identity));
  const told: Told[] = [];
  const troubles: Omit<Trouble, 'hostId' | 'hostName'>[] = [];
  const note = (identity: string, { row, happened }: Taken): void => {
    for (const { kind, message, instanceId, trouble } of happened) {
      told.push({ identity, kind, generation: row.generation, instanceId, message });
      // Its people read of it: whose domain that is, is none of their business.
      if (trouble && instanceId !== null) troubles.push({ identity, kind, message: kind === 'used-unclaimed' ? 'another guest of its host uses it' : message, instanceId });
    }
  };
  const rows = before.map((row) => {
    if (said.has(row.identity) || !inRange(row.identity, report.range)) return row;
    const taken = takeAbsence(row);
    if (taken === null) return row;
    note(row.identity, taken);
    return { ...row, ...taken.row };
  });
  const at = new Map(rows.map((row, place) => [row.identity, place]));
  for (const device of report.devices) {
    const row = known.get(device.identity) ?? null;
    const taken = takeReport(row, device, reporter);
    note(device.identity, taken);
    if (row === null) rows.push({ ...NEW, identity: device.identity, unit: device.identity, ...taken.row });
    else rows[at.get(device.identity)!] = { ...row, ...taken.row };
  }
  return { rows, told, troubles };
}

const NEW: Omit<StockDevice, 'identity' | 'unit' | keyof Taken['row']> = { id: '', poolId: null, className: null, role: null, note: null, fenced: false, lastHolder: null, lastClass: null, vouched: 0, holder: null };
