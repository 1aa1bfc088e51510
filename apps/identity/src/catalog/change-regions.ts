import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest, conflict, notFound } from '#libs/errors';
import { unlessRepeated, type Ids } from '#libs/http';
import { changedFields, extraOf, mergedExtra, requireSameId } from '../http/body.js';
import { found } from '../http/found.js';
import { newId } from '../http/new-id.js';
import { unlessAbsent, unlessTaken } from '../http/unless-taken.js';
import { REGION_KEYS, type CreateRegionBody, type UpdateRegionBody } from './catalog.schema.js';
import { RegionsRepository, type Region } from './regions.repository.js';

@Injectable()
export class ChangeRegions {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly regions: RegionsRepository) {}

  /** @param pathId the id in the path of a PUT. */
  create(caller: Caller, { region: body }: CreateRegionBody, ids: Ids, pathId?: string): Promise<Region> {
    const asked = body.id === '' ? undefined : body.id;
    if (pathId !== undefined && asked !== undefined && asked !== pathId) throw badRequest(`Conflicting region IDs specified: "${pathId}" != "${asked}"`);
    const region: Region = { id: pathId ?? asked ?? newId(ids, 'region'), description: body.description ?? '', parentId: body.parent_region_id ?? null, extra: mergedExtra({}, extraOf(body, REGION_KEYS)) };
    if (region.parentId === region.id) throw badRequest(circle(region.id));
    const made = this.db.transaction(async (client) => {
      await unlessAbsent(unlessTaken(this.regions.insert(client, region), () => `Conflict occurred attempting to store region - Duplicate ID, ${region.id}..`), () => notFound(`Could not find region: ${String(region.parentId)}.`));
      await audit(client, caller, { service: 'identity', action: 'regions:create', target: { kind: 'region', id: region.id }, detail: { parentId: region.parentId } });
      return region;
    });
    return unlessRepeated(ids, made, async () => (await this.regions.get(region.id)) ?? undefined, (known) => known.description === region.description);
  }

  update(caller: Caller, id: string, { region: body }: UpdateRegionBody): Promise<Region> {
    requireSameId(id, body);
    return this.db.transaction(async (client) => {
      const old = found('region', id, await this.regions.lock(client, id));
      const region: Region = {
        id, description: body.description === undefined ? old.description : (body.description ?? ''), parentId: body.parent_region_id === undefined ? old.parentId : body.parent_region_id,
        extra: mergedExtra(old.extra, extraOf(body, REGION_KEYS)),
      };
      if (region.parentId !== null && region.parentId !== old.parentId) {
        // Two changes at once could close a circle between them.
        await client.query('LOCK TABLE identity.regions IN SHARE ROW EXCLUSIVE MODE');
        if (await this.regions.wouldCircle(client, id, region.parentId)) throw badRequest(circle(id));
      }
      await unlessAbsent(this.regions.update(client, region), () => notFound(`Could not find region: ${String(region.parentId)}.`));
      await audit(client, caller, { service: 'identity', action: 'regions:update', target: { kind: 'region', id }, detail: { changed: changedFields(body) } });
      return region;
    });
  }

  remove(caller: Caller, id: string): Promise<void> {
    return this.db.transaction(async (client) => {
      found('region', id, await this.regions.lock(client, id));
      await unlessAbsent(this.regions.remove(client, id), () => conflict(`Region ${id}, or one below it, has endpoints or limits: delete those first.`));
      await audit(client, caller, { service: 'identity', action: 'regions:delete', target: { kind: 'region', id } });
    });
  }
}

const circle = (id: string): string => `The specified parent region ${id} would create a circular region hierarchy.`;
