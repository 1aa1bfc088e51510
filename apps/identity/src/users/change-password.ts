import { Inject, Injectable } from '@nestjs/common';
import { audit, type AuditActor } from '#libs/audit';
import { REAUTHENTICATE } from '#libs/auth';
import { DATABASE, type Database } from '#libs/db';
import { badRequest, unauthorized } from '#libs/errors';
import { FailedLogins } from '../logins/failed-logins.js';
import { Logins } from '../logins/logins.js';
import { NewPasswords } from '../passwords/new-passwords.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { revoke } from '../revocations/revocations.repository.js';
import { UsersRepository, type LockedUser } from './users.repository.js';
import type { PasswordBody } from './users.schema.js';

/**
 * A user's own change of password. No token is needed, the old password proves who it is: also an expired one, and one that
 * has to be changed at first use. Counts as a login for whoever guesses. Ends every token of the user.
 */
@Injectable()
export class ChangePassword {
  constructor(
    @Inject(DATABASE) private readonly db: Database, private readonly users: UsersRepository, private readonly hasher: PasswordHasher,
    private readonly passwords: NewPasswords, private readonly logins: Logins, private readonly failures: FailedLogins,
  ) {}

  async run(id: string, body: PasswordBody, { address, requestId }: { address: string; requestId: string }): Promise<void> {
    const user = await this.users.withSecret(id);
    const actor = { ...(user === null ? { userName: id } : { userId: user.id, userName: user.name, domainId: user.domainId }), address, requestId };
    await this.failures.recorded(actor, 'change of password', () => this.change(id, user, body, actor));
  }

  private async change(id: string, user: LockedUser | null, { user: body }: PasswordBody, actor: AuditActor & { address: string }): Promise<void> {
    const { address } = actor;
    const subject = Logins.subjectOf(user?.id ?? null, { id }, null, user?.options['ignore_lockout_failure_attempts'] === true);
    await this.logins.admit(subject, address);
    // An unknown or disabled user costs as much time as a wrong password.
    const matches = await this.hasher.matches(user?.passwordHash ?? null, body.original_password);
    // Many guesses at once have all been admitted: what they have found out, those that were too many do not hear.
    const admission = await this.logins.admit(subject, address);
    if (!matches || user === null || !user.enabled || !user.domainEnabled) {
      await this.logins.failed(subject, address, admission);
      throw unauthorized(REAUTHENTICATE, { internal: user === null ? 'no such user' : matches ? 'the user is disabled' : 'wrong password' });
    }
    await this.logins.succeeded(subject, address, admission);
    if (user.options['lock_password'] === true) throw badRequest('You cannot change your password at this time due to password policy disallowing password changes. Please contact your administrator to reset your password.');
    const before = historyOf(user);
    const { hash, expiresAt, mustChange, historyKept } = await this.passwords.prepare(body.password, { userName: user.name, history: before, byOwner: true, options: user.options, changedAt: user.passwordChangedAt });
    await this.db.transaction(async (client) => {
      const now = await this.users.lock(client, id);
      // Somebody else was faster: what was proved is not true any more.
      if (now === null || now.passwordHash !== user.passwordHash || !now.enabled) throw unauthorized(REAUTHENTICATE, { internal: 'the password was changed meanwhile' });
      await this.users.setSecret(client, id, { hash, expiresAt, mustChange, history: before.slice(0, historyKept) });
      await revoke(client, { userId: id, reason: 'the user changed the password' });
      await audit(client, actor, { service: 'identity', action: 'users:change-password', target: { kind: 'user', id } });
    });
  }
}

const historyOf = ({ passwordHash, passwordHistory }: LockedUser): string[] => [...(passwordHash === null ? [] : [passwordHash]), ...passwordHistory];
