import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { enforce, type PolicyRule } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest, forbidden, notFound, type SkyError } from '#libs/errors';
import { deleteApplicationCredentials, goneCredentials, type LostPlace } from '../application-credentials/dead-credentials.repository.js';
import { found } from '../http/found.js';
import { unlessAbsent } from '../http/unless-taken.js';
import { revokeUsers } from '../revocations/revocations.repository.js';
import { keepingAnAdmin } from '../users/admins.repository.js';
import { GrantsRepository, type GrantParties, type GrantPlace } from './grants.repository.js';
import { everybodyOn, tokensFrom } from './lost-tokens.js';

type Known = GrantParties & { role: NonNullable<GrantParties['role']> };

/** Gives roles to users and groups, and takes them away. */
@Injectable()
export class GiveRole {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly grants: GrantsRepository) {}

  give(caller: Caller, place: GrantPlace, roleId: string): Promise<void> {
    return this.db.transaction(async (client) => {
      const { role, targetDomain } = allowed('create', caller, place, roleId, await this.grants.parties(place, roleId, client));
      if (role.domainId !== null) {
        if (place.system) throw badRequest(`Role ${roleId} is a domain-specific role. Unable to use a domain-specific role in a system assignment.`);
        if (role.domainId !== targetDomain) throw forbidden(`${place.projectId === null ? `Domain ${String(place.domainId)}` : `Project ${place.projectId}`} must be in the same domain as the role ${roleId} being assigned.`);
      }
      if (!(await unlessAbsent(this.grants.insert(client, place, roleId), () => absent(place, roleId)))) return;
      await audit(client, caller, { service: 'identity', action: ruleOf('create', place).replace('identity:', ''), target: { kind: 'role', id: roleId }, detail: { role: role.name, ...place } });
    });
  }

  take(caller: Caller, place: GrantPlace, roleId: string): Promise<void> {
    return this.db.transaction(async (client) => {
      const parties = allowed('revoke', caller, place, roleId, await this.grants.parties(place, roleId, client));
      await keepingAnAdmin(client, parties.leadsTo.includes('admin'), `taking role ${roleId} away`, async () => {
        // Who joins waits, and then joins a group without the role.
        if (place.groupId !== null) await this.grants.lockGroup(client, place.groupId);
        if (!(await this.grants.remove(client, place, roleId))) throw absent(place, roleId);
        const userIds = place.groupId === null ? [place.userId as string] : await this.grants.members(client, place.groupId);
        const lost: LostPlace = { roleId, projectId: place.projectId, domainId: place.domainId, inherited: place.inherited, projectDomainId: place.projectId === null ? null : parties.targetDomain };
        await revokeUsers(client, userIds, { ...tokensFrom(lost), reason: 'a role was taken away' }, everybodyOn([lost]));
        const gone = await deleteApplicationCredentials(client, { userIds, places: [lost] });
        await audit(client, caller, { service: 'identity', action: ruleOf('revoke', place).replace('identity:', ''), target: { kind: 'role', id: roleId }, detail: { role: parties.role.name, ...place, ...goneCredentials(gone) } });
      });
    });
  }
}

export const ruleOf = (verb: 'list' | 'check' | 'create' | 'revoke', place: GrantPlace): PolicyRule => (place.system ? `identity:system-grants:${verb}` : `identity:grants:${verb}`);

/**
 * May they? Asked before it is said what there is not, so that nobody learns of other domains' users and projects.
 * @throws SkyError `forbidden`; `not-found` for whom it may be told.
 */
export function allowed(verb: 'check' | 'create' | 'revoke', caller: Caller, place: GrantPlace, roleId: string, parties: GrantParties): Known {
  enforce(ruleOf(verb, place), caller, { domainId: [parties.actorDomain, parties.targetDomain], roleNames: parties.leadsTo });
  requireParties(place, parties);
  return { ...parties, role: found('role', roleId, parties.role) };
}

/** @throws SkyError `not-found` when one of them is not there. */
export function requireParties(place: GrantPlace, { actorDomain, targetDomain }: GrantParties): void {
  if (place.userId !== null) found('user', place.userId, actorDomain);
  if (place.groupId !== null) found('group', place.groupId, actorDomain);
  if (place.projectId !== null) found('project', place.projectId, targetDomain);
  if (place.domainId !== null) found('domain', place.domainId, targetDomain);
}

/** Keystone's words for an assignment that there is not. */
export const absent = (place: GrantPlace, roleId: string): SkyError =>
  notFound(`Could not find role assignment with role: ${roleId}, user or group: ${String(place.userId ?? place.groupId)}, project, domain, or system: ${place.projectId ?? place.domainId ?? 'system'}.`);
