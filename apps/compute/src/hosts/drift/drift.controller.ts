import { Controller, Inject } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { cleanOrphan, hostHint, HostId, listDrift, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { conflict, forbidden, notFound } from '#libs/errors';
import { BUS, Handles, type Bus } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { removalOf } from './decide/removal.js';
import { DriftRepository } from './drift.repository.js';

/** What differs on hosts, for people; and the one thing that is done about it on their word. */
@Controller()
export class DriftController {
  constructor(private readonly drift: DriftRepository, @Inject(BUS) private readonly bus: Bus, @Inject(LOGGER) private readonly logger: Logger) {}

  @Handles(listDrift)
  async list(@Payload() { hostId, limit }: ReceivedBy<typeof listDrift>): Promise<OutputOf<typeof listDrift>> {
    const rows = await this.drift.list(hostId ?? null, limit + 1);
    return {
      drift: rows.slice(0, limit).map((row) => ({
        hostId: HostId.parse(row.host_id), hostName: row.host_name, kind: row.kind, id: row.subject_id, what: row.what, since: row.since.toISOString(), firstSeenAt: row.first_seen_at.toISOString(), orphan: row.orphan,
      })),
      more: rows.length > limit,
    };
  }

  @Handles(cleanOrphan)
  async clean(@Payload() { caller, hostId, id, statement }: ReceivedBy<typeof cleanOrphan>): Promise<Record<string, never>> {
    if (!caller.isAdmin) throw forbidden('Only an admin may have orphans removed.');
    const outcome = await this.drift.clean(hostId, id, removalOf(id), caller, statement);
    if (outcome === 'ours') throw conflict(`${id} is a server of this cloud and is, or may be, on that host: delete the server instead.`);
    if (outcome === 'not-adopted') throw conflict("That host is not adopted since the database was restored, and what looks like an orphan may be a server that was made after the backup. Run 'skylite adopt' first.");
    if (outcome === 'unknown') throw notFound(`That host does not say that it has an orphan ${id}.`);
    this.logger.warn({ hostId, orphan: id, userId: caller.userId, requestId: caller.requestId, statement }, 'an orphan is removed on an operator\'s word');
    this.bus.hint(hostHint, {}, { hostId });
    return {};
  }
}
