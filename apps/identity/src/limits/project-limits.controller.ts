import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { getDefaultLimits, getProjectLimits, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { DEFAULT_PROJECT_LIMITS } from '../limits.js';
import { ProjectLimitsRepository } from './project-limits.repository.js';

/** What a project may use, for the services that own what it uses. */
@Controller()
export class ProjectLimitsController {
  constructor(private readonly limits: ProjectLimitsRepository) {}

  @Handles(getProjectLimits)
  get(@Payload() input: ReceivedBy<typeof getProjectLimits>): Promise<OutputOf<typeof getProjectLimits>> {
    return this.limits.get(input.projectId);
  }

  @Handles(getDefaultLimits)
  defaults(): Promise<OutputOf<typeof getDefaultLimits>> {
    return Promise.resolve({ limits: DEFAULT_PROJECT_LIMITS });
  }
}
