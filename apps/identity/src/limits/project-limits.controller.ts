import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { enforce } from '#libs/auth';
import { getDefaultLimits, getLimits, getProjectLimits, resetLimits, setDefaultLimits, setLimits, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { EffectiveLimitsRepository } from './effective-limits.repository.js';
import { projectLimitsOf } from './resources.js';

/** What a project may use, for the services that own what it uses; and the classic quota APIs' changes of it. */
@Controller()
export class ProjectLimitsController {
  constructor(private readonly limits: EffectiveLimitsRepository) {}

  @Handles(getLimits)
  getAll(@Payload() { projectId, service }: ReceivedBy<typeof getLimits>): Promise<OutputOf<typeof getLimits>> {
    return this.limits.of(projectId, service);
  }

  @Handles(getProjectLimits)
  async get(@Payload() { projectId }: ReceivedBy<typeof getProjectLimits>): Promise<OutputOf<typeof getProjectLimits>> {
    const { limits, ...rest } = await this.limits.of(projectId, 'compute');
    return { limits: projectLimitsOf(limits), ...rest };
  }

  @Handles(getDefaultLimits)
  async defaults(): Promise<OutputOf<typeof getDefaultLimits>> {
    return { limits: projectLimitsOf((await this.limits.of(null, 'compute')).limits) };
  }

  @Handles(setLimits)
  async set(@Payload() { caller, projectId, service, limits }: ReceivedBy<typeof setLimits>): Promise<OutputOf<typeof setLimits>> {
    enforce('identity:limits:update', caller);
    await this.limits.set(caller, projectId, service, limits);
    return { limits: (await this.limits.of(projectId, service)).limits };
  }

  @Handles(resetLimits)
  async reset(@Payload() { caller, projectId, service }: ReceivedBy<typeof resetLimits>): Promise<OutputOf<typeof resetLimits>> {
    enforce('identity:limits:delete', caller);
    await this.limits.reset(caller, projectId, service);
    return {};
  }

  @Handles(setDefaultLimits)
  async setDefaults(@Payload() { caller, service, limits }: ReceivedBy<typeof setDefaultLimits>): Promise<OutputOf<typeof setDefaultLimits>> {
    enforce('identity:registered-limits:update', caller);
    await this.limits.setDefaults(caller, service, limits);
    return { limits: (await this.limits.of(null, service)).limits };
  }
}
