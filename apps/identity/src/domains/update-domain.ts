import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest, forbidden } from '#libs/errors';
import { changedFields, mergedOptions, requireSameId } from '../http/body.js';
import { found } from '../http/found.js';
import { refuseImmutableChange } from '../http/immutable.js';
import { duplicateName, unlessTaken } from '../http/unless-taken.js';
import { revoke } from '../revocations/revocations.repository.js';
import { keepingAnAdmin } from '../users/admins.repository.js';
import { DomainsRepository, type DomainRow } from './domains.repository.js';
import type { UpdateDomainBody } from './domains.schema.js';

/** Changes a domain. Disabling it ends every token of its users and for its projects; the projects keep their own state. */
@Injectable()
export class UpdateDomain {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly domains: DomainsRepository) {}

  run(caller: Caller, id: string, { domain: body }: UpdateDomainBody): Promise<DomainRow> {
    requireSameId(id, body);
    if (body.name?.toLowerCase() === 'federated') throw badRequest(`Domain cannot be named ${body.name}`);
    return this.db.transaction((client) => keepingAnAdmin(client, body.enabled === false, `disabling domain ${id}`, async () => {
      const old = found('domain', id, await this.domains.lock(client, id));
      refuseImmutableChange('domain', id, old.options, body);
      const row: DomainRow = {
        id, name: body.name ?? old.name, description: body.description === undefined ? old.description : (body.description ?? ''), enabled: body.enabled ?? old.enabled,
        tags: body.tags ?? old.tags, options: mergedOptions(old.options, body.options),
      };
      const disabled = old.enabled && !row.enabled;
      if (disabled && (await this.domains.ofUser(client, caller.userId)) === id) {
        throw forbidden(`Cannot disable domain ${id}: it is the one that you belong to, and nobody of it could undo that.`);
      }
      await unlessTaken(this.domains.update(client, row), () => duplicateName('domain', row.name));
      if (disabled) await revoke(client, { domainId: id, reason: 'the domain was disabled' });
      await audit(client, caller, { service: 'identity', action: 'domains:update', target: { kind: 'domain', id }, detail: { name: row.name, changed: changedFields(body), ...(disabled && { disabled }) } });
      return row;
    }));
  }
}
