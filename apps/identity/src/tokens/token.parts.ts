import type { Provider, Type } from '@nestjs/common';
import { AccessRulesRepository } from '../application-credentials/access-rules.repository.js';
import { AccessRulesBusController } from '../application-credentials/access-rules.bus-controller.js';
import { ApplicationCredentialsController } from '../application-credentials/application-credentials.controller.js';
import { ApplicationCredentialsRepository } from '../application-credentials/application-credentials.repository.js';
import { CreateApplicationCredential } from '../application-credentials/create-application-credential.js';
import { CredentialSecrets } from '../application-credentials/credential-secrets.js';
import { DeleteApplicationCredential } from '../application-credentials/delete-application-credential.js';
import { Housekeeping } from '../housekeeping.js';
import { TokenKeysController } from '../keys/token-keys.controller.js';
import { TokenSigner } from '../keys/token-signer.js';
import { FailedLogins } from '../logins/failed-logins.js';
import { Logins } from '../logins/logins.js';
import { LoginsRepository } from '../logins/logins.repository.js';
import { NewPasswords } from '../passwords/new-passwords.js';
import { PasswordHasher } from '../passwords/password-hasher.js';
import { ExpiredTokens } from './expired-tokens.js';
import { FreshTokenGuard } from './fresh-token.guard.js';
import { TokenLifetime } from '../revocations/token-lifetime.js';
import { RevocationFeedRepository } from '../revocations/revocation-feed.repository.js';
import { AccountsRepository } from './accounts.repository.js';
import { AuthSystemController } from './auth-system.controller.js';
import { Authenticator } from './authenticator.js';
import { IssueToken } from './issue-token.js';
import { ApplicationCredentialMethod } from './methods/application-credential.method.js';
import { AUTH_METHODS, type AuthMethod } from './methods/auth-method.js';
import { PasswordMethod } from './methods/password.method.js';
import { TokenMethod } from './methods/token.method.js';
import { RevokeToken } from './revoke-token.js';
import { TokensController } from './tokens.controller.js';
import { ValidateToken } from './validate-token.js';

/** Every way to authenticate that is offered; a new one (OpenID Connect, LDAP) is one more class here. */
const METHODS: Type<AuthMethod>[] = [PasswordMethod, TokenMethod, ApplicationCredentialMethod];

/** What identity is made of as far as tokens and proving oneself go; its module puts them together with the rest. */
export const TOKEN_CONTROLLERS: Type[] = [TokensController, AuthSystemController, ApplicationCredentialsController];

export const TOKEN_PROVIDERS: Provider[] = [
  TokenSigner, PasswordHasher, NewPasswords, LoginsRepository, Logins, FailedLogins, AccountsRepository, Authenticator, IssueToken, ValidateToken, RevokeToken,
  ApplicationCredentialsRepository, AccessRulesRepository, CredentialSecrets, CreateApplicationCredential, DeleteApplicationCredential,
  FreshTokenGuard, ExpiredTokens, TokenLifetime,
  ...METHODS, { provide: AUTH_METHODS, useFactory: (...methods: AuthMethod[]) => methods, inject: METHODS },
];

export const TOKEN_BUS_CONTROLLERS: Type[] = [TokenKeysController, AccessRulesBusController];

/** The signer makes the first key, so that whoever asks for keys gets one also before the HTTP side is up. */
export const TOKEN_BUS_PROVIDERS: Provider[] = [TokenSigner, RevocationFeedRepository, ApplicationCredentialsRepository, LoginsRepository, Logins, Housekeeping];
