/**
 * Takes a host's inventory and admits its session. Owns boot id, protocol, inventory and limits of a host; never
 * refuses an inventory for what it holds. If the process dies here, the agent reports again.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { z } from 'zod';
import { PROTOCOL, type reportInventory } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest, conflict, notFound, unsupported } from '#libs/errors';
import { LOGGER, type Logger } from '#libs/observability';
import { capacityOf } from '../decide/capacity.js';
import { negotiate, noCommonProtocol } from '../decide/protocol.js';
import { admitSession } from '../decide/session.js';
import { CONFIG, type SchedulerConfig } from '../deps.js';
import { Liveness } from '../snapshot/liveness.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { DisownHost } from './disown-host.js';
import { HostsRepository, type Session, type SessionReport } from './hosts.repository.js';

type Report = z.output<typeof reportInventory.input>;

@Injectable()
export class ReportInventory {
  constructor(
    private readonly hosts: HostsRepository, private readonly liveness: Liveness, private readonly snapshot: Snapshot, private readonly disown: DisownHost,
    @Inject(DATABASE) private readonly db: Database, @Inject(CONFIG) private readonly config: SchedulerConfig, @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async execute(hostId: string, report: Report): Promise<z.output<typeof reportInventory.output>> {
    const protocol = negotiate(PROTOCOL, report.protocol);
    if (protocol === null) throw unsupported(noCommonProtocol(PROTOCOL, report.protocol));
    const known = await this.hosts.session(hostId);
    if (known && report.knows !== undefined && report.knows.incarnation > this.db.incarnation) await this.disown.execute({ hostId: hostId as never, reason: `it knows incarnation ${report.knows.incarnation} of the database, this one is ${this.db.incarnation}: an older state was restored` });
    if (!known) throw notFound(`Host ${hostId} is not enrolled here. Join it with a token from \`skylite host enroll\`.`);
    // Most reports repeat what is stored: those take no lock and write nothing.
    const stored = this.#admit(hostId, known, report, protocol) === null ? null : await this.hosts.storeReport(hostId, (session) => this.#admit(hostId, session, report, protocol));
    if (stored?.began) {
      this.liveness.began(hostId, report.bootId, stored.generation, report.capabilities.includes('ECHO'));
      this.logger.info({ hostId, bootId: report.bootId, agentVersion: report.agentVersion }, 'a host began a session');
    } else {
      this.liveness.heard(hostId, report.bootId, true);
    }
    if (stored?.stored) this.snapshot.wake();
    return { epoch: stored?.epoch ?? known.epoch, incarnation: this.db.incarnation, protocol };
  }

  /** What to store; null: it is stored already. Throws when the session may not have this host. */
  #admit(hostId: string, session: Session, report: Report, protocol: number): SessionReport | null {
    if (session.simulated !== report.simulated) {
      throw badRequest(session.simulated ? 'This host enrolled as a simulated one and must say so.' : 'This host enrolled as a real one; a simulated one needs its own identity.');
    }
    // Memory is behind while another report is being admitted, the stored beat is behind in between: the later one counts.
    const silentMs = Math.min(this.liveness.silentMs(hostId), session.storedSilentMs ?? Infinity);
    const admission = admitSession(session, { bootId: report.bootId, inventoryGeneration: report.inventory.generation }, silentMs, this.config.aliveTimeoutMs);
    if (admission.admit === 'refused') {
      throw conflict(`Another session of this host is alive (boot ${session.bootId ?? ''}). If this machine was copied from another one, remove the agent's identity folder and join it as a host of its own; if it was just restarted, it is let in when the other has been silent for ${this.config.aliveTimeoutMs / 1000} s.`, { retryAfterS: admission.retryAfterS });
    }
    if (admission.admit === 'same' && !admission.store) return null;
    const { agentVersion, capabilities, inventory, bootId } = report;
    return { bootId, protocol, agentVersion, capabilities, inventory, knows: report.knows ?? null, limits: capacityOf(inventory, session.ratios) };
  }
}
