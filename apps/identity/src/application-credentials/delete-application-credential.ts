import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { VerifiedToken } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { forbidden } from '#libs/errors';
import { found } from '../http/found.js';
import { revokeCredential } from '../revocations/revocations.repository.js';
import { AccessRulesRepository } from './access-rules.repository.js';
import { ApplicationCredentialsRepository } from './application-credentials.repository.js';
import { assertMayManage } from './create-application-credential.js';

/** Ends a credential with all of its tokens; takes away access rules that no credential uses. */
@Injectable()
export class DeleteApplicationCredential {
  constructor(
    @Inject(DATABASE) private readonly db: Database, private readonly credentials: ApplicationCredentialsRepository,
    private readonly accessRules: AccessRulesRepository,
  ) {}

  async credential(caller: Caller, token: VerifiedToken, { id, userId }: { id: string; userId: string }): Promise<void> {
    assertMayManage(token);
    await this.db.transaction(async (client) => {
      if (!await this.credentials.remove(client, id)) found('Application Credential', id, null);
      await revokeCredential(client, { userId, applicationCredentialId: id, reason: 'the application credential was deleted' });
      await audit(client, caller, { service: 'identity', action: 'application-credentials:delete', target: { kind: 'application-credential', id } });
    });
  }

  accessRule(caller: Caller, userId: string, id: string): Promise<void> {
    return this.db.transaction(async (client) => {
      const removed = await this.accessRules.remove(client, userId, id);
      if (removed === undefined) found('Access Rule', id, null);
      if (removed === false) throw forbidden(`You are not authorized to perform the requested action: delete the access rule ${id}, which is still in use.`);
      await audit(client, caller, { service: 'identity', action: 'access-rules:delete', target: { kind: 'access-rule', id } });
    });
  }
}
