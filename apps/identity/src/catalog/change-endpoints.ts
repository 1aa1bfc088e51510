import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { badRequest } from '#libs/errors';
import { unlessRepeated, type Ids } from '#libs/http';
import { changedFields, extraOf, mergedExtra, requireSameId } from '../http/body.js';
import { found } from '../http/found.js';
import { newId } from '../http/new-id.js';
import { unlessAbsent } from '../http/unless-taken.js';
import { ENDPOINT_KEYS, type CreateEndpointBody, type UpdateEndpointBody } from './catalog.schema.js';
import { EndpointsRepository, type Endpoint } from './endpoints.repository.js';
import { RegionsRepository } from './regions.repository.js';

@Injectable()
export class ChangeEndpoints {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly endpoints: EndpointsRepository, private readonly regions: RegionsRepository) {}

  create(caller: Caller, { endpoint: body }: CreateEndpointBody, ids: Ids): Promise<Endpoint> {
    const made = this.db.transaction(async (client) => {
      const endpoint: Endpoint = {
        id: newId(ids, 'endpoint'), serviceId: body.service_id, regionId: (await this.regionOf(client, caller, body)) ?? null, interface: body.interface, url: body.url,
        name: body.name ?? null, description: body.description ?? null, enabled: body.enabled ?? true, extra: mergedExtra({}, extraOf(body, ENDPOINT_KEYS)),
      };
      await unlessAbsent(this.endpoints.insert(client, endpoint), () => badRequest(`The endpoint's service or region is not there: ${endpoint.serviceId}, ${String(endpoint.regionId)}.`));
      await audit(client, caller, { service: 'identity', action: 'endpoints:create', target: { kind: 'endpoint', id: endpoint.id }, detail: { serviceId: endpoint.serviceId, interface: endpoint.interface, url: endpoint.url } });
      return endpoint;
    });
    return unlessRepeated(ids, made, async () => (await this.endpoints.get(newId(ids, 'endpoint'))) ?? undefined, (known) => known.url === body.url);
  }

  update(caller: Caller, id: string, { endpoint: body }: UpdateEndpointBody): Promise<Endpoint> {
    requireSameId(id, body);
    return this.db.transaction(async (client) => {
      const old = found('endpoint', id, await this.endpoints.lock(client, id));
      const regionId = await this.regionOf(client, caller, body);
      const endpoint: Endpoint = {
        id, serviceId: body.service_id ?? old.serviceId, regionId: regionId === undefined ? old.regionId : regionId, interface: body.interface ?? old.interface, url: body.url ?? old.url,
        name: body.name === undefined ? old.name : body.name, description: body.description === undefined ? old.description : body.description, enabled: body.enabled ?? old.enabled,
        extra: mergedExtra(old.extra, extraOf(body, ENDPOINT_KEYS)),
      };
      await unlessAbsent(this.endpoints.update(client, endpoint), () => badRequest(`The endpoint's service or region is not there: ${endpoint.serviceId}, ${String(endpoint.regionId)}.`));
      await audit(client, caller, { service: 'identity', action: 'endpoints:update', target: { kind: 'endpoint', id }, detail: { url: endpoint.url, changed: changedFields(body) } });
      return endpoint;
    });
  }

  remove(caller: Caller, id: string): Promise<void> {
    return this.db.transaction(async (client) => {
      const { url, serviceId } = found('endpoint', id, await this.endpoints.lock(client, id));
      await this.endpoints.remove(client, id);
      await audit(client, caller, { service: 'identity', action: 'endpoints:delete', target: { kind: 'endpoint', id }, detail: { url, serviceId } });
    });
  }

  /** Old clients say `region`, and expect that one there is not yet is made. undefined: nothing is said of a region. */
  private async regionOf(client: PoolClient, caller: Caller, body: { region_id?: string | null | undefined; region?: string | null | undefined }): Promise<string | null | undefined> {
    const named = body.region ?? undefined;
    if (typeof body.region_id === 'string' || named === undefined) return body.region_id;
    if (await this.regions.ensure(client, named)) await audit(client, caller, { service: 'identity', action: 'regions:create', target: { kind: 'region', id: named }, detail: { for: 'an endpoint' } });
    return named;
  }
}
