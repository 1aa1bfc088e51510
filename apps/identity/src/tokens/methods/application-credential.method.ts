import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { parseInput } from '#libs/http';
import { ApplicationCredentialsRepository } from '../../application-credentials/application-credentials.repository.js';
import { CredentialSecrets } from '../../application-credentials/credential-secrets.js';
import { Logins } from '../../logins/logins.js';
import { AccountsRepository } from '../accounts.repository.js';
import { ApplicationCredentialProof } from '../tokens.schema.js';
import { notProven, strategyOf, type Attempt, type AuthMethod, type Proven } from './auth-method.js';

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

  private async prove({ body, address, claimed }: Attempt): Promise<Proven> {
    const proof = parseInput(Body, body).auth.identity.application_credential;
    const named = proof.id === undefined && proof.user !== undefined ? await this.accounts.lookUp(proof.user) : undefined;
    const owner = named?.account ?? null;
    const found = await this.credentials.findForLogin(proof.id ?? null, owner?.id ?? null, proof.name ?? null);
    const subject = Logins.subjectOfCredential(found?.id ?? proof.id ?? null, named === undefined ? null : Logins.subjectOf(owner?.id ?? null, proof.user ?? {}, named.domainId), proof.name);
    await this.logins.admitEarly(subject, address);
    // Asked for also when there is none: what is not there must not answer sooner.
    const account = named === undefined ? await this.accounts.findUser({ id: found?.userId ?? '' }) : owner;
    Object.assign(claimed, account === null ? { userName: proof.user?.name ?? proof.user?.id ?? '' } : { userId: account.id, userName: account.name }, found !== null && { applicationCredentialId: found.id });
    const matches = await this.secrets.matches(found?.secretHash ?? null, proof.secret);
    const admission = await this.logins.admit(subject, address);
    if (!matches || found === null || account === null || !account.enabled) {
      await this.logins.failed(subject, address, admission);
      throw notProven(found === null ? 'no such application credential' : matches ? 'the user is disabled' : 'wrong secret of an application credential');
    }
    await this.logins.succeeded(subject, address, admission);
    const { id, name, projectId, restricted, ruled, roleIds, expiresAt } = found;
    // The token counts from the first that was read.
    const since = owner === null ? { readAt: found.readAt, snapshot: found.snapshot } : {};
    return { account: { ...account, ...since }, parent: null, credential: { id, name, projectId, restricted, ruled, roleIds, expiresAt } };
  }
}
