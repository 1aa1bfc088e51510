import { Controller, UseFilters } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { fitPlacement, getPlacementRules, getProjectUsage, listAllocations, listProviders, placementCapacity, type FitAnswer, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { Handles } from '#libs/messaging';
import { DatabaseErrorFilter } from '../database-error.js';
import { LIMITS } from '../limits.js';
import { Liveness } from '../snapshot/liveness.js';
import { PlacementQuestions } from './placement-questions.js';
import { PlacementViewsRepository } from './placement-views.repository.js';

@Controller()
@UseFilters(DatabaseErrorFilter)
export class PlacementViewsController {
  constructor(private readonly views: PlacementViewsRepository, private readonly questions: PlacementQuestions, private readonly liveness: Liveness) {}

  @Handles(listProviders)
  async providers(@Payload() { id, after, limit }: ReceivedBy<typeof listProviders>): Promise<OutputOf<typeof listProviders>> {
    const { providers, next } = await this.views.providers(id ?? null, after, limit);
    return { providers: providers.map((provider) => ({ ...provider, takesNew: provider.takesNew && this.liveness.of(provider.id).alive })), next };
  }

  @Handles(listAllocations)
  async allocations(@Payload() { instanceId, hostId }: ReceivedBy<typeof listAllocations>): Promise<OutputOf<typeof listAllocations>> {
    if (instanceId === undefined && hostId === undefined) throw badRequest('Allocations are asked for by server or by host.');
    return { allocations: await this.views.allocations(instanceId ?? null, hostId ?? null, LIMITS.listedAllocations) };
  }

  @Handles(getProjectUsage)
  usage(@Payload() { projectId }: ReceivedBy<typeof getProjectUsage>): Promise<OutputOf<typeof getProjectUsage>> { return this.views.usage(projectId); }

  @Handles(fitPlacement)
  fit(@Payload() asked: ReceivedBy<typeof fitPlacement>): Promise<FitAnswer> { return this.questions.fit(asked); }

  @Handles(placementCapacity)
  capacity(@Payload() asked: ReceivedBy<typeof placementCapacity>): Promise<OutputOf<typeof placementCapacity>> { return this.questions.capacity(asked); }

  @Handles(getPlacementRules)
  rules(): Promise<OutputOf<typeof getPlacementRules>> { return Promise.resolve(this.questions.rules()); }
}
