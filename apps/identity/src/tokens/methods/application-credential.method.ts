import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { parseInput } from '#libs/http';
import { ApplicationCredentialsRepository } from '../../application-credentials/application-credentials.repository.js';
import { CredentialSecrets } from '../../application-credentials/credential-secrets.js';
import { Logins } from '../../logins/logins.js';
import { AccountsRepository } from '../accounts.repository.js';
import { ApplicationCredentialProof } from '../tokens.schema.js';
import { strategyOf, type Attempt, type AuthMethod, type Proven } from './auth-method.js';

const Body = z.object({ auth: z.object({ identity: z.object({ application_credential: ApplicationCredentialProof }) }) });

/** An application credential and its secret: its owner, with less. An unknown one costs the same as a wrong secret. */
@Injectable()
export class ApplicationCredentialMethod implements AuthMethod {
  readonly method = 'application_credential';
  readonly strategy = strategyOf((attempt) => this.prove(attempt));

  constructor(
    private readonly accounts: AccountsRepository, private readonly credentials: ApplicationCredentialsRepository,
    private readonly secrets: CredentialSecrets, private readonly logins: Logins,
  ) {}

  private async prove({ body, address, requestId }: Attempt): Promise<Proven | null> {
    const proof = parseInput(Body, body).auth.identity.application_credential;
    const owner = proof.id === undefined && proof.user !== undefined ? await this.accounts.findUser(proof.user) : null;
    const found = await this.credentials.findForLogin(proof.id ?? null, owner?.id ?? null, proof.name ?? null);
    const subject = Logins.subjectOf(found === null ? null : `application-credential/${found.id}`, { id: proof.id ?? `${JSON.stringify(proof.user ?? null)}/${proof.name ?? ''}` });
    await this.logins.admit(subject, address);
    const account = owner ?? (found === null ? null : await this.accounts.findUser({ id: found.userId }));
    const matches = await this.secrets.matches(found?.secretHash ?? null, proof.secret);
    const failures = await this.logins.admit(subject, address);
    if (!matches || found === null || account === null || !account.enabled) {
      const actor = { ...(account !== null && { userId: account.id, userName: account.name }), ...(found !== null && { applicationCredentialId: found.id }), address, requestId };
      await this.logins.failed(subject, actor, found === null ? 'no such application credential' : matches ? 'the user is disabled' : 'wrong secret of an application credential');
      return null;
    }
    if (failures > 0) await this.logins.succeeded(subject);
    const { id, name, projectId, restricted, ruled, roleIds, expiresAt } = found;
    // The token counts from the first that was read.
    const since = owner === null ? { readAt: found.readAt, snapshot: found.snapshot } : {};
    return { account: { ...account, ...since }, parent: null, credential: { id, name, projectId, restricted, ruled, roleIds, expiresAt } };
  }
}
