/** One host for people: what happened to it, its fence, how its power is cut (never the password), and what is wrong. Reads, and one setting. */
import { Inject, Injectable } from '@nestjs/common';
import type { HostView, inspectHost, OutputOf, ReceivedBy, setHostRestart } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { forbidden, notFound } from '#libs/errors';
import { LIMITS } from '../limits.js';
import { PowerRepository } from '../power/power.repository.js';
import { Liveness } from '../snapshot/liveness.js';
import { FencesRepository, fenceView } from './fences.repository.js';
import { byOf, HostsRepository, type HostRecord } from './hosts.repository.js';
import { hostView } from './hosts.view.js';

@Injectable()
export class InspectHost {
  constructor(
    private readonly hosts: HostsRepository, private readonly fences: FencesRepository, private readonly power: PowerRepository,
    private readonly liveness: Liveness, @Inject(DATABASE) private readonly db: Database,
  ) {}

  async inspect({ hostId }: ReceivedBy<typeof inspectHost>): Promise<OutputOf<typeof inspectHost>> {
    const [records, fence, power, events, quarantined] = await Promise.all([this.hosts.list({ id: hostId }), this.fences.latest(hostId), this.power.find(hostId), this.hosts.events(hostId, LIMITS.hostEvents), this.hosts.quarantinedDevices(hostId)]);
    const record = records[0];
    if (!record) throw notFound(`No host has the id ${hostId}.`);
    return {
      events, fence: fence ? fenceView(fence) : null, power: power ? { kind: power.kind, address: power.address, username: power.username } : null,
      alarms: [...this.#alarms(record), ...deviceAlarms(quarantined)],
    };
  }

  async setRestart({ caller, hostId, restart }: ReceivedBy<typeof setHostRestart>): Promise<HostView> {
    if (!caller.isAdmin) throw forbidden('Only an admin may say how a host starts its servers.');
    const record = await this.hosts.setRestart(hostId, restart, byOf(caller));
    if (!record) throw notFound(`No host has the id ${hostId}.`);
    return hostView(record, this.liveness.of(hostId));
  }

  #alarms(record: HostRecord): string[] {
    const { incarnation } = this.db;
    const alarms: string[] = [];
    const { condition } = this.liveness.of(record.id);
    if (condition.state !== 'alive') alarms.push(`${condition.state}: ${condition.reason}`);
    if (record.knows && record.knows.incarnation > incarnation) {
      alarms.push(`It knows incarnation ${record.knows.incarnation} of the database, which is in ${incarnation}: an older state was restored. Run 'skylite restored', then 'skylite adopt'.`);
    } else if (record.adopted_incarnation === 0) {
      alarms.push("It knows more than the database does: an older state seems to have been restored. It only reports and takes no servers. If so, run 'skylite restored'; then 'skylite adopt'.");
    } else if (record.adopted_incarnation !== incarnation) {
      alarms.push("The database was restored, and this host is not adopted yet: it only reports and takes no servers. Run 'skylite adopt'.");
    }
    if (record.fenced_at !== null) {
      alarms.push(`Fenced since ${record.fenced_at.toISOString()}: its servers may be rebuilt elsewhere. When it is in order again: 'skylite host unfence ${record.name}'.`);
      if (!record.capabilities.includes('LEASE')) alarms.push('Its agent is too old to know leases, and starts its servers after a boot without asking: keep it switched off, or without its disks, until it is taken back.');
      else if (record.restart === 'alone') alarms.push('It is set to start its servers after a boot without asking: keep it switched off, or without its disks, until it is taken back.');
    }
    return alarms;
  }
}

const deviceAlarms = (quarantined: number): string[] =>
  (quarantined === 0 ? [] : [`${quarantined} ${quarantined === 1 ? 'device' : 'devices'} in quarantine: see 'skylite device list --state quarantined', and 'skylite device release' after repair.`]);
