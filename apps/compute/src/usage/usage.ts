import { Injectable } from '@nestjs/common';
import type { listServerUsages, OutputOf, ReceivedBy } from '#libs/contracts';
import { badRequest, forbidden } from '#libs/errors';
import { UsageRepository } from './usage.repository.js';

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** What projects used in a period, server by server. Changes nothing. */
@Injectable()
export class Usage {
  constructor(private readonly usage: UsageRepository) {}

  async list({ caller, ...asked }: ReceivedBy<typeof listServerUsages>): Promise<OutputOf<typeof listServerUsages>> {
    if (!caller.isAdmin && asked.projectId !== caller.projectId) throw forbidden("Only an administrator may see other projects' usage.");
    return { usages: await this.usage.list(asked, asked.marker === undefined ? null : await this.#after(asked.marker)) };
  }

  async #after(marker: string): Promise<{ projectId: string; id: string }> {
    const projectId = UUID.test(marker) ? await this.usage.placeOf(marker) : undefined;
    if (projectId === undefined) throw badRequest(`Marker ${marker} could not be found.`);
    return { projectId, id: marker };
  }
}
