/**
 * Identity: who there is, what they may, and tokens that say so. Owns users, projects, domains, roles, the keys that
 * sign tokens, the catalog and the projects' limits. Never counts what a project uses: the owners of resources do.
 * A crash loses only requests under way; tokens stay good, since everybody checks them without asking here.
 */
import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { AuthModule } from '#libs/auth';
import { DATABASE } from '#libs/db';
import { CatalogController } from './catalog/catalog.controller.js';
import { Catalogs } from './catalog/catalogs.js';
import { OwnCatalogController } from './catalog/own-catalog.controller.js';
import { DiscoveryController } from './discovery/discovery.controller.js';
import { DomainsController } from './domains/domains.controller.js';
import { DomainsRepository } from './domains/domains.repository.js';
import { BaseUrl } from './http/base-url.js';
import { IDENTITY_CONFIG, type IdentityDeps } from './identity.config.js';
import { SigningKeysRepository } from './keys/signing-keys.repository.js';
import { TokenKeysController } from './keys/token-keys.controller.js';
import { TokenSigner } from './keys/token-signer.js';
import { ProjectLimitsController } from './limits/project-limits.controller.js';
import { ProjectLimitsRepository } from './limits/project-limits.repository.js';
import { PasswordHasher } from './passwords/password-hasher.js';
import { ProjectsController } from './projects/projects.controller.js';
import { ProjectsRepository } from './projects/projects.repository.js';
import { RoleAssignmentsController } from './role-assignments/role-assignments.controller.js';
import { RoleAssignmentsRepository } from './role-assignments/role-assignments.repository.js';
import { RolesController } from './roles/roles.controller.js';
import { RolesRepository } from './roles/roles.repository.js';
import { AccountsRepository } from './tokens/accounts.repository.js';
import { Authenticator } from './tokens/authenticator.js';
import { IssueToken } from './tokens/issue-token.js';
import { AUTH_METHODS } from './tokens/methods/auth-method.js';
import { PasswordMethod } from './tokens/methods/password.method.js';
import { TokenMethod } from './tokens/methods/token.method.js';
import { TokensController } from './tokens/tokens.controller.js';
import { ValidateToken } from './tokens/validate-token.js';
import { UsersController } from './users/users.controller.js';
import { UsersRepository } from './users/users.repository.js';

export type { IdentityConfig, IdentityDeps } from './identity.config.js';
export { seedIdentity, type SeedSecrets } from './seed/seed-identity.js';

const shared = ({ db, config }: IdentityDeps): Provider[] => [
  { provide: DATABASE, useValue: db },
  { provide: IDENTITY_CONFIG, useValue: config },
  SigningKeysRepository,
];

/** Every way to authenticate that is offered; a new one (OpenID Connect, LDAP) is one more class here. */
const METHODS = [PasswordMethod, TokenMethod];

/** Keystone v3 over HTTP, under /identity. */
@Module({})
export class IdentityHttpModule {
  static register(deps: IdentityDeps): DynamicModule {
    return {
      module: IdentityHttpModule,
      imports: [AuthModule.register({ bus: deps.bus })],
      controllers: [
        DiscoveryController, TokensController, OwnCatalogController, CatalogController, ProjectsController, UsersController, DomainsController,
        RolesController, RoleAssignmentsController,
      ],
      providers: [
        ...shared(deps), BaseUrl, Catalogs, TokenSigner, PasswordHasher, AccountsRepository, Authenticator, IssueToken, ValidateToken,
        ProjectsRepository, UsersRepository, DomainsRepository, RolesRepository, RoleAssignmentsRepository,
        ...METHODS, { provide: AUTH_METHODS, useFactory: (...methods) => methods, inject: METHODS },
      ],
    };
  }
}

/** Identity's answers to the other services, over the bus. */
@Module({})
export class IdentityBusModule {
  static register(deps: IdentityDeps): DynamicModule {
    return {
      module: IdentityBusModule,
      controllers: [TokenKeysController, ProjectLimitsController],
      // The signer makes the first key, so that whoever asks for keys gets one also before the HTTP side is up.
      providers: [...shared(deps), ProjectLimitsRepository, TokenSigner],
    };
  }
}
