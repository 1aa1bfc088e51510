import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { forbidden, notFound } from '#libs/errors';
import { found } from '../http/found.js';
import { unlessTaken } from '../http/unless-taken.js';
import { keepingAnAdmin } from '../users/admins.repository.js';
import { ImpliedRolesRepository } from './implied-roles.repository.js';
import { revokeRole } from './revoke-role.js';
import { RolesRepository } from './roles.repository.js';

/** Makes one role follow from another, or ends that. */
@Injectable()
export class ImplyRole {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly roles: RolesRepository, private readonly implied: ImpliedRolesRepository) {}

  add(caller: Caller, priorId: string, impliedId: string): Promise<void> {
    return this.db.transaction(async (client) => {
      const prior = found('role', priorId, await this.roles.lock(client, priorId));
      const implied = found('role', impliedId, await this.roles.lock(client, impliedId));
      if (prior.id === implied.id) throw forbidden(`A role cannot imply itself: ${priorId}.`);
      // Admin is given by name and never in passing: who may give the prior role would make admins without knowing it.
      if (await this.roles.leadsToAdmin(client, impliedId)) throw forbidden(`${impliedId} cannot be an implied role: it is admin, or leads to it.`);
      if (implied.domainId !== null && implied.domainId !== prior.domainId) throw forbidden(`${impliedId} cannot be an implied role: it is domain ${implied.domainId}'s own, and ${priorId} is not.`);
      await unlessTaken(this.implied.insert(client, priorId, impliedId), () => `Conflict occurred attempting to store implied_role - ${priorId} implies ${impliedId} already.`);
      await audit(client, caller, { service: 'identity', action: 'implied-roles:create', target: { kind: 'role', id: priorId }, detail: { name: prior.name, implies: implied.name, impliedId } });
    });
  }

  remove(caller: Caller, priorId: string, impliedId: string): Promise<void> {
    return this.db.transaction(async (client) => {
      const prior = found('role', priorId, await this.roles.lock(client, priorId));
      await keepingAnAdmin(client, await this.roles.leadsToAdmin(client, impliedId), `ending that ${priorId} implies ${impliedId}`, async () => {
        await revokeRole(client, this.roles, prior, 'a role does not follow from it any more');
        if (!(await this.implied.remove(client, priorId, impliedId))) throw notFound(`${priorId} does not imply ${impliedId}.`);
        await audit(client, caller, { service: 'identity', action: 'implied-roles:delete', target: { kind: 'role', id: priorId }, detail: { name: prior.name, impliedId } });
      });
    });
  }
}
