import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import { enforce, type TokenClaims, type VerifiedToken } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest, forbidden } from '#libs/errors';
import { unlessRepeated, type Ids } from '#libs/http';
import { changedFields, extraOf, mergedExtra, requireSameId } from '../http/body.js';
import { found } from '../http/found.js';
import { newId } from '../http/new-id.js';
import { unlessAbsent, unlessTaken } from '../http/unless-taken.js';
import { LIMITS } from '../limits.js';
import { CREDENTIAL_KEYS, type CreateCredentialBody, type UpdateCredentialBody } from './credentials.schema.js';
import { CredentialsRepository, type Credential } from './credentials.repository.js';

/** Who asks, and by what kind of token. */
export interface CredentialCaller { caller: Caller; delegation: TokenClaims['applicationCredential'] }

export const by = (caller: Caller, { claims }: VerifiedToken): CredentialCaller => ({ caller, delegation: claims.applicationCredential });

/** Of an ec2 credential: an update must leave these as they are, or it would act for more than it was made for. */
const EC2_FIXED = ['access', 'trust_id', 'app_cred_id', 'access_token_id', 'access_id'];

@Injectable()
export class ChangeCredentials {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly credentials: CredentialsRepository) {}

  create({ caller, delegation }: CredentialCaller, { credential: body }: CreateCredentialBody, ids: Ids): Promise<Credential> {
    const it: Credential = {
      id: newId(ids, 'credential'), userId: body.user_id, projectId: body.project_id ?? null, type: body.type, blob: body.blob, extra: mergedExtra({}, extraOf(body, CREDENTIAL_KEYS)),
    };
    enforce('identity:credentials:create', caller, { userId: it.userId });
    requireOwnProject(caller, it);
    requireMayManage(delegation, it.type);
    if (isEc2(it.type)) {
      const blob = ec2Blob(it.blob);
      it.id = createHash('sha256').update(blob.access).digest('hex');
      // What is made by delegation goes on acting by it.
      if (delegation !== undefined) it.blob = JSON.stringify({ ...blob, app_cred_id: delegation.id });
    }
    const made = this.db.transaction(async (client) => {
      const count = found('user', it.userId, await this.credentials.count(client, it.userId));
      if (count >= LIMITS.credentialsPerUser) throw forbidden(`A user has at most ${LIMITS.credentialsPerUser} credentials.`);
      await unlessTaken(this.credentials.insert(client, it), () => 'Conflict occurred attempting to store credential - Duplicate entry.');
      await audit(client, caller, { service: 'identity', action: 'credentials:create', target: { kind: 'credential', id: it.id }, detail: { type: it.type, ownerId: it.userId } });
      return it;
    });
    return unlessRepeated(ids, made, async () => (await this.credentials.get(it.id)) ?? undefined, (known) => known.blob === it.blob && known.userId === it.userId);
  }

  update({ caller, delegation }: CredentialCaller, id: string, { credential: body }: UpdateCredentialBody): Promise<Credential> {
    requireSameId(id, body);
    return this.db.transaction(async (client) => {
      const old = allowedOn('update', caller, id, await this.credentials.lock(client, id));
      requireMayManage(delegation, old.type);
      const it: Credential = {
        id, userId: body.user_id ?? old.userId, projectId: body.project_id === undefined ? old.projectId : body.project_id, type: body.type ?? old.type, blob: body.blob ?? old.blob,
        extra: mergedExtra(old.extra, extraOf(body, CREDENTIAL_KEYS)),
      };
      requireMayManage(delegation, it.type);
      // Neither given away nor taken over.
      allowedOn('update', caller, id, it);
      if (isEc2(it.type) !== isEc2(old.type)) throw badRequest('A credential does not become one of ec2, nor ceases to be one: its id says what it is.');
      if (isEc2(it.type)) {
        const [before, after] = [ec2Blob(old.blob), ec2Blob(it.blob)];
        for (const key of EC2_FIXED) if (JSON.stringify(before[key]) !== JSON.stringify(after[key])) throw badRequest(`${key} can not be updated for credential`);
        if (it.projectId === null) throw badRequest('A credential of ec2 is for a project: project_id cannot be taken away.');
      }
      await unlessAbsent(this.credentials.update(client, it), () => badRequest(`Could not find user: ${it.userId}.`));
      await audit(client, caller, { service: 'identity', action: 'credentials:update', target: { kind: 'credential', id }, detail: { type: it.type, ownerId: it.userId, changed: changedFields(body) } });
      return it;
    });
  }

  remove({ caller, delegation }: CredentialCaller, id: string): Promise<void> {
    return this.db.transaction(async (client) => {
      const it = allowedOn('delete', caller, id, await this.credentials.lockSealed(client, id));
      requireMayManage(delegation, it.type);
      await this.credentials.remove(client, id);
      await audit(client, caller, { service: 'identity', action: 'credentials:delete', target: { kind: 'credential', id }, detail: { type: it.type, ownerId: it.userId } });
    });
  }
}

/** Whoever may not see it hears the same whether it is there or not. */
export function allowedOn<T extends Pick<Credential, 'userId' | 'projectId'>>(verb: 'get' | 'update' | 'delete', caller: Caller, id: string, credential: T | null): T {
  enforce(`identity:credentials:${verb}`, caller, { userId: credential?.userId });
  const it = found('credential', id, credential);
  requireOwnProject(caller, it);
  return it;
}

/** Somebody to whom a project was delegated reaches what belongs to that project, and no second factor of the user's. */
function requireOwnProject(caller: Caller, { projectId }: Pick<Credential, 'projectId'>): void {
  if (typeof caller.applicationCredentialId === 'string' && projectId !== caller.projectId) throw forbidden('Credential project does not match the project scope of the delegated token');
}

/** A key of ec2 is a way to log in: what may not make application credentials has no hand on it, nor what has access rules, which a key would not have. */
function requireMayManage(delegation: CredentialCaller['delegation'], type: string): void {
  if (delegation !== undefined && isEc2(type) && (delegation.restricted || delegation.ruled)) throw forbidden("Using method 'application_credential' is not allowed for managing additional credentials.");
}

const isEc2 = (type: string): boolean => type.toLowerCase() === 'ec2';

function ec2Blob(text: string): Record<string, unknown> & { access: string } {
  let blob: unknown;
  try {
    blob = JSON.parse(text);
  } catch {
    throw badRequest('Invalid blob in credential');
  }
  const access = typeof blob === 'object' && blob !== null ? (blob as Record<string, unknown>)['access'] : undefined;
  if (typeof access !== 'string' || access === '') throw badRequest("The blob of an ec2 credential is a JSON object with 'access' and 'secret'.");
  return { ...blob as Record<string, unknown>, access };
}
