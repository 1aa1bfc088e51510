import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { conflict } from '#libs/errors';
import { unlessRepeated, type Ids } from '#libs/http';
import { changedFields, extraOf, mergedExtra, requireSameId } from '../http/body.js';
import { found } from '../http/found.js';
import { newId } from '../http/new-id.js';
import { unlessAbsent } from '../http/unless-taken.js';
import { SERVICE_KEYS, type CreateServiceBody, type UpdateServiceBody } from './catalog.schema.js';
import { ServicesRepository, type Service } from './services.repository.js';

@Injectable()
export class ChangeServices {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly services: ServicesRepository) {}

  create(caller: Caller, { service: body }: CreateServiceBody, ids: Ids): Promise<Service> {
    const service: Service = {
      id: newId(ids, 'service'), type: body.type, name: body.name ?? null, description: body.description ?? null, enabled: body.enabled ?? true, extra: mergedExtra({}, extraOf(body, SERVICE_KEYS)),
    };
    const made = this.db.transaction(async (client) => {
      await this.services.insert(client, service);
      await audit(client, caller, { service: 'identity', action: 'services:create', target: { kind: 'service', id: service.id }, detail: { type: service.type, name: service.name } });
      return service;
    });
    return unlessRepeated(ids, made, async () => (await this.services.get(service.id)) ?? undefined, (known) => known.type === service.type);
  }

  update(caller: Caller, id: string, { service: body }: UpdateServiceBody): Promise<Service> {
    requireSameId(id, body);
    return this.db.transaction(async (client) => {
      const old = found('service', id, await this.services.lock(client, id));
      const service: Service = {
        id, type: body.type ?? old.type, name: body.name ?? old.name, description: body.description === undefined ? old.description : body.description, enabled: body.enabled ?? old.enabled,
        extra: mergedExtra(old.extra, extraOf(body, SERVICE_KEYS)),
      };
      await this.services.update(client, service);
      await audit(client, caller, { service: 'identity', action: 'services:update', target: { kind: 'service', id }, detail: { type: service.type, changed: changedFields(body) } });
      return service;
    });
  }

  remove(caller: Caller, id: string): Promise<void> {
    return this.db.transaction(async (client) => {
      const { type } = found('service', id, await this.services.lock(client, id));
      await unlessAbsent(this.services.remove(client, id), () => conflict(`Service ${id} has registered limits: delete those first.`));
      await audit(client, caller, { service: 'identity', action: 'services:delete', target: { kind: 'service', id }, detail: { type } });
    });
  }
}
