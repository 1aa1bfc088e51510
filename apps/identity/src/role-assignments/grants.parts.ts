import type { Provider, Type } from '@nestjs/common';
import { CatalogRepository } from '../catalog/catalog.repository.js';
import { Catalogs } from '../catalog/catalogs.js';
import { ChangeEndpoints } from '../catalog/change-endpoints.js';
import { ChangeRegions } from '../catalog/change-regions.js';
import { ChangeServices } from '../catalog/change-services.js';
import { EndpointsController } from '../catalog/endpoints.controller.js';
import { EndpointsRepository } from '../catalog/endpoints.repository.js';
import { OwnCatalogController } from '../catalog/own-catalog.controller.js';
import { RegionsController } from '../catalog/regions.controller.js';
import { RegionsRepository } from '../catalog/regions.repository.js';
import { ServicesController } from '../catalog/services.controller.js';
import { ServicesRepository } from '../catalog/services.repository.js';
import { ChangeCredentials } from '../credentials/change-credentials.js';
import { CredentialsController } from '../credentials/credentials.controller.js';
import { CredentialsRepository } from '../credentials/credentials.repository.js';
import { Ec2CredentialsController } from '../credentials/ec2-credentials.controller.js';
import { CreateRole } from '../roles/create-role.js';
import { DeleteRole } from '../roles/delete-role.js';
import { ImpliedRolesController } from '../roles/implied-roles.controller.js';
import { ImpliedRolesRepository } from '../roles/implied-roles.repository.js';
import { ImplyRole } from '../roles/imply-role.js';
import { RolesController } from '../roles/roles.controller.js';
import { RolesRepository } from '../roles/roles.repository.js';
import { UpdateRole } from '../roles/update-role.js';
import { GiveRole } from './give-role.js';
import { GrantsController } from './grants.controller.js';
import { GrantsRepository } from './grants.repository.js';
import { RoleAssignmentsController } from './role-assignments.controller.js';
import { RoleAssignmentsRepository } from './role-assignments.repository.js';
import { StandingRepository } from './standing.repository.js';
import { SystemGrantsController } from './system-grants.controller.js';
import { UserScopesRepository } from './user-scopes.repository.js';

/** Roles, who holds them, the catalog and credentials: what IdentityHttpModule registers of them. */
export const GRANTS_CONTROLLERS: Type[] = [
  RolesController, ImpliedRolesController, GrantsController, SystemGrantsController, RoleAssignmentsController,
  OwnCatalogController, RegionsController, ServicesController, EndpointsController, CredentialsController, Ec2CredentialsController,
];
export const GRANTS_PROVIDERS: Provider[] = [
  RolesRepository, CreateRole, UpdateRole, DeleteRole, ImpliedRolesRepository, ImplyRole, GrantsRepository, GiveRole, RoleAssignmentsRepository, StandingRepository, UserScopesRepository,
  CatalogRepository, Catalogs, RegionsRepository, ServicesRepository, EndpointsRepository, ChangeRegions, ChangeServices, ChangeEndpoints,
  CredentialsRepository, ChangeCredentials,
];
