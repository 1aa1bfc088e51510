import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest, conflict } from '#libs/errors';
import { unlessRepeated, type Ids } from '#libs/http';
import { mergedOptions } from '../http/body.js';
import { newId } from '../http/new-id.js';
import { duplicateName, unlessTaken } from '../http/unless-taken.js';
import { DomainsRepository, type DomainRow } from './domains.repository.js';
import type { CreateDomainBody } from './domains.schema.js';

/** The name that Keystone keeps for users who come from elsewhere. */
const RESERVED = 'federated';

@Injectable()
export class CreateDomain {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly domains: DomainsRepository) {}

  run(caller: Caller, { domain }: CreateDomainBody, ids: Ids): Promise<DomainRow> {
    if (domain.name.toLowerCase() === RESERVED) throw badRequest(`Domain cannot be named ${domain.name}`);
    const row: DomainRow = {
      id: domain.explicit_domain_id ?? newId(ids, 'domain'), name: domain.name, description: domain.description ?? '', enabled: domain.enabled ?? true,
      tags: domain.tags ?? [], options: mergedOptions({}, domain.options),
    };
    const made = this.db.transaction(async (client) => {
      if (await this.domains.isProject(client, row.id)) throw conflict(`Conflict occurred attempting to store domain - ${row.id} is the id of a project.`);
      await unlessTaken(this.domains.insert(client, row), () => duplicateName('domain', row.name));
      await audit(client, caller, { service: 'identity', action: 'domains:create', target: { kind: 'domain', id: row.id }, detail: { name: row.name } });
      return row;
    });
    return unlessRepeated(ids, made, async () => (await this.domains.get(row.id)) ?? undefined, (found) => found.name === row.name);
  }
}
