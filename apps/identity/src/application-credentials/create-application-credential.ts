import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { REAUTHENTICATE, type VerifiedToken } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database, type PoolClient } from '#libs/db';
import { badRequest, forbidden, internalError, overQuota, unauthorized } from '#libs/errors';
import { unlessRepeated, type Ids } from '#libs/http';
import { newId } from '../http/new-id.js';
import { duplicateName, unlessAbsent, unlessTaken } from '../http/unless-taken.js';
import { LIMITS } from '../limits.js';
import { isRevoked } from '../revocations/revoked-tokens.repository.js';
import { AccessRulesRepository } from './access-rules.repository.js';
import { ApplicationCredentialsRepository, type CredentialRow } from './application-credentials.repository.js';
import type { CreateCredentialBody, RuleRef } from './application-credentials.schema.js';
import { CredentialSecrets } from './credential-secrets.js';

type Wanted = CreateCredentialBody['application_credential'];

/** A way for a machine to act for its user in one project, with no more than the user's token of now. */
@Injectable()
export class CreateApplicationCredential {
  constructor(
    @Inject(DATABASE) private readonly db: Database, private readonly credentials: ApplicationCredentialsRepository,
    private readonly accessRules: AccessRulesRepository, private readonly secrets: CredentialSecrets,
  ) {}

  async run(caller: Caller, token: VerifiedToken, wanted: Wanted, ids: Ids): Promise<{ row: CredentialRow; secret: string }> {
    assertMayManage(token);
    const { projectId } = caller;
    if (projectId === null) throw badRequest('Invalid application credential: a token for a project is needed.');
    const roleIds = rolesOf(token, wanted.roles);
    const { secret, hash } = await this.secrets.make(wanted.secret, ids);
    const row = {
      id: newId(ids, 'application-credential'), userId: caller.userId, projectId, name: wanted.name, description: wanted.description ?? null,
      expiresAt: expiryOf(wanted.expires_at), unrestricted: wanted.unrestricted ?? false,
    };
    const made = this.db.transaction(async (client) => {
      // One lock per user, so that two at once do not both become the last that is allowed.
      await client.query('SELECT 1 FROM identity.users WHERE id = $1 FOR NO KEY UPDATE', [caller.userId]);
      // Whoever takes something from the user either did it before, and it is seen here, or waits and takes this away too.
      if (await isRevoked(client, token)) throw unauthorized(REAUTHENTICATE, { internal: 'the token was revoked meanwhile' });
      row.expiresAt = await this.endOf(client, token, row.expiresAt);
      if (await this.credentials.count(client, caller.userId) >= LIMITS.applicationCredentials) throw overQuota(`A user has at most ${LIMITS.applicationCredentials} application credentials.`);
      const ruleIds = await this.rulesOf(client, caller.userId, wanted.access_rules ?? [], ids);
      const inserted = unlessTaken(this.credentials.insert(client, row, hash, roleIds, ruleIds), () => duplicateName('application_credential', row.name));
      await unlessAbsent(inserted, () => badRequest('Invalid application credential: its project or one of its roles is gone.'));
      await audit(client, caller, {
        service: 'identity', action: 'application-credentials:create', target: { kind: 'application-credential', id: row.id },
        detail: { name: row.name, projectId, roles: roleIds, unrestricted: row.unrestricted, rules: ruleIds.length },
      });
    });
    const find = async (): Promise<CredentialRow | undefined> => (await this.credentials.get(row.id)) ?? undefined;
    const stored = await unlessRepeated(ids, made.then(find), find, (mine) => mine?.userId === caller.userId);
    if (stored === undefined) throw internalError('an application credential went while it was made');
    return { row: stored, secret };
  }

  /** One that is made by another never outlives it. */
  private async endOf(client: PoolClient, { claims }: VerifiedToken, wanted: Date | null): Promise<Date | null> {
    if (claims.applicationCredential === undefined) return wanted;
    const parent = await this.credentials.endOf(client, claims.applicationCredential.id);
    if (parent === undefined) throw unauthorized(REAUTHENTICATE, { internal: 'the application credential is gone' });
    if (parent !== null && wanted !== null && wanted > parent) throw badRequest(`Invalid application credential: it cannot outlive the one by which it is made, which ends at ${parent.toISOString()}.`);
    return wanted ?? parent;
  }

  private async rulesOf(client: PoolClient, userId: string, refs: readonly RuleRef[], ids: Ids): Promise<string[]> {
    const named = refs.flatMap((ref) => ('service' in ref || ref.id === undefined ? [] : [ref.id]));
    const known = await this.accessRules.known(client, userId, named);
    const missing = named.find((id) => !known.includes(id));
    if (missing !== undefined) throw badRequest(`Invalid application credential: Could not find Access Rule: ${missing}.`);
    const made: string[] = [];
    for (const [at, ref] of refs.entries()) {
      if ('service' in ref) made.push(await this.accessRules.ensure(client, userId, newId(ids, `access-rule ${at}`), ref));
    }
    if (await this.accessRules.count(client, userId) > LIMITS.accessRules) throw overQuota(`A user has at most ${LIMITS.accessRules} access rules.`);
    return [...new Set([...known, ...made])];
  }
}

/** @throws SkyError `forbidden` for a token that itself came from a credential which is not for making others. */
export function assertMayManage({ claims }: VerifiedToken): void {
  const { applicationCredential: made } = claims;
  // One with access rules would make another one without.
  if (made !== undefined && (made.restricted || made.ruled)) {
    throw forbidden("You are not authorized to perform the requested action: Using method 'application_credential' is not allowed for managing additional application credentials..");
  }
}

/** Those that are named, or all of the token; never one that the token does not have. */
function rolesOf({ claims }: VerifiedToken, wanted: Wanted['roles']): string[] {
  if (claims.roles.length === 0) throw badRequest('Invalid application credential: the token has no role.');
  if (wanted === undefined || wanted.length === 0) return claims.roles.map(({ id }) => id);
  return [...new Set(wanted.map(({ id, name }) => {
    const role = claims.roles.find((held) => (id === undefined ? held.name === name : held.id === id));
    if (role === undefined) throw badRequest('Invalid application credential: Cannot create an application credential with unassigned role');
    return role.id;
  }))];
}

function expiryOf(text: string | null | undefined): Date | null {
  if (text === null || text === undefined || text === '') return null;
  // Without a zone it is UTC, as everywhere in Keystone.
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?$/.test(text) ? new Date(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`) : undefined;
  if (at === undefined || Number.isNaN(at.getTime())) throw badRequest("Invalid input for field 'expires_at': it must be a time such as 2030-01-31T12:00:00.000000Z.");
  if (at.getTime() <= Date.now()) throw badRequest(`The 'expires_at' must not be before now. The server could not comply with the request since it is either malformed or otherwise incorrect.`);
  return at;
}
