/**
 * Identity: who there is, what they may, and tokens that say so. Owns users, projects, domains, roles, the keys that
 * sign tokens, the catalog and the projects' limits. Never counts what a project uses: the owners of resources do.
 * A crash loses only requests under way; tokens stay good, since everybody checks them without asking here.
 */
import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { AuthModule, TokenVerifier } from '#libs/auth';
import { DATABASE } from '#libs/db';
import { LOGGER } from '#libs/observability';
import { AuditKeeper } from './audit/audit-keeper.js';
import { AuditRecordsController } from './audit/audit-records.controller.js';
import { AuditRecordsRepository } from './audit/audit-records.repository.js';
import { DiscoveryController } from './discovery/discovery.controller.js';
import { DomainConfigController } from './domain-config/domain-config.controller.js';
import { CreateDomain } from './domains/create-domain.js';
import { DeleteDomain } from './domains/delete-domain.js';
import { DomainsController } from './domains/domains.controller.js';
import { DomainsRepository } from './domains/domains.repository.js';
import { UpdateDomain } from './domains/update-domain.js';
import { CreateGroup } from './groups/create-group.js';
import { DeleteGroup } from './groups/delete-group.js';
import { GroupMembersController } from './groups/group-members.controller.js';
import { GroupMembers } from './groups/group-members.js';
import { GroupsController } from './groups/groups.controller.js';
import { GroupsRepository } from './groups/groups.repository.js';
import { UpdateGroup } from './groups/update-group.js';
import { BaseUrl } from './http/base-url.js';
import { IDENTITY_CONFIG, type IdentityDeps } from './identity.config.js';
import { SigningKeysRepository } from './keys/signing-keys.repository.js';
import { ProjectLimitsController } from './limits/project-limits.controller.js';
import { EffectiveLimitsRepository } from './limits/effective-limits.repository.js';
import { LimitsController } from './limits/limits.controller.js';
import { LimitsRepository } from './limits/limits.repository.js';
import { RegisteredLimitsController } from './limits/registered-limits.controller.js';
import { RegisteredLimitsRepository } from './limits/registered-limits.repository.js';
import { NotOfferedController } from './not-offered/not-offered.controller.js';
import { ExplainPolicy } from './policy/explain-policy.js';
import { ExplainPolicyController } from './policy/explain-policy.controller.js';
import { ExplainPolicyRepository } from './policy/explain-policy.repository.js';
import { ChangeTags } from './projects/change-tags.js';
import { CreateProject } from './projects/create-project.js';
import { DeleteProject } from './projects/delete-project.js';
import { ProjectTagsController } from './projects/project-tags.controller.js';
import { ReadProjectTree } from './projects/project-tree.js';
import { ProjectWrites } from './projects/project-writes.js';
import { ProjectsController } from './projects/projects.controller.js';
import { ProjectsRepository } from './projects/projects.repository.js';
import { UpdateProject } from './projects/update-project.js';
import { renewing } from './revocations/renewing.js';
import { StandingRepository } from './role-assignments/standing.repository.js';
import { GRANTS_CONTROLLERS, GRANTS_PROVIDERS } from './role-assignments/grants.parts.js';
import { TOKEN_BUS_CONTROLLERS, TOKEN_BUS_PROVIDERS, TOKEN_CONTROLLERS, TOKEN_PROVIDERS } from './tokens/token.parts.js';
import { ChangePassword } from './users/change-password.js';
import { CreateUser } from './users/create-user.js';
import { DeleteUser } from './users/delete-user.js';
import { UpdateUser } from './users/update-user.js';
import { UserBelongingsController } from './users/user-belongings.controller.js';
import { UsersController } from './users/users.controller.js';
import { UsersRepository } from './users/users.repository.js';

export type { IdentityConfig, IdentityDeps } from './identity.config.js';
export { seedIdentity, type SeedSecrets } from './seed/seed-identity.js';

const shared = ({ config }: IdentityDeps): Provider[] => [
  { provide: IDENTITY_CONFIG, useValue: config },
  SigningKeysRepository,
];

/** Operations on domains, projects, users and groups. */
const PEOPLE = [
  CreateDomain, UpdateDomain, DeleteDomain, CreateProject, UpdateProject, DeleteProject, ProjectWrites, ChangeTags, ReadProjectTree,
  CreateUser, UpdateUser, DeleteUser, ChangePassword, GroupsRepository, CreateGroup, UpdateGroup, DeleteGroup, GroupMembers,
];

/** Keystone v3 over HTTP, under /identity. */
@Module({})
export class IdentityHttpModule {
  static register(deps: IdentityDeps): DynamicModule {
    return {
      module: IdentityHttpModule,
      imports: [AuthModule.register({ bus: deps.bus })],
      controllers: [
        DiscoveryController, ...TOKEN_CONTROLLERS, ProjectsController, ProjectTagsController, UsersController, UserBelongingsController,
        DomainsController, GroupsController, GroupMembersController,
        ...GRANTS_CONTROLLERS, RegisteredLimitsController, LimitsController, DomainConfigController, NotOfferedController,
      ],
      providers: [
        ...shared(deps), { provide: DATABASE, useFactory: (verifier: TokenVerifier) => renewing(deps.db, () => verifier.renew()), inject: [TokenVerifier] }, BaseUrl, ...TOKEN_PROVIDERS,
        ProjectsRepository, UsersRepository, DomainsRepository, ...GRANTS_PROVIDERS, RegisteredLimitsRepository, LimitsRepository,
        ...PEOPLE,
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
      controllers: [...TOKEN_BUS_CONTROLLERS, AuditRecordsController, ExplainPolicyController, ProjectLimitsController],
      providers: [...shared(deps), { provide: DATABASE, useValue: deps.db }, AuditRecordsRepository, AuditKeeper, ExplainPolicy, ExplainPolicyRepository, { provide: LOGGER, useValue: deps.logger }, StandingRepository, EffectiveLimitsRepository, ...TOKEN_BUS_PROVIDERS],
    };
  }
}
