import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { hostImageUrl, pullDesired, reportObserved, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { forbidden } from '#libs/errors';
import { Handles, type BusContext } from '#libs/messaging';
import { DriftRepository } from './drift/drift.repository.js';
import { HostImageUrl } from './host-image-url.js';
import { PullDesired } from './pull-desired.js';
import { ReportObserved } from './report-observed.js';

/** What hosts ask compute. Which host it is stands in the subject that its rights let it publish on, never in a body. */
@Controller()
export class HostsController {
  constructor(private readonly pulls: PullDesired, private readonly reports: ReportObserved, private readonly images: HostImageUrl, private readonly drift: DriftRepository) {}

  @Handles(pullDesired)
  pull(@Payload() input: ReceivedBy<typeof pullDesired>, @Ctx() context: BusContext): Promise<OutputOf<typeof pullDesired>> {
    return this.pulls.pull(hostOf(context), input);
  }

  @Handles(reportObserved)
  async report(@Payload() input: ReceivedBy<typeof reportObserved>, @Ctx() context: BusContext): Promise<OutputOf<typeof reportObserved>> {
    const answer = await this.reports.report(hostOf(context), input);
    if (input.drift !== undefined) await this.drift.replace(hostOf(context), input.drift);
    return answer;
  }

  @Handles(hostImageUrl)
  imageUrl(@Payload() input: ReceivedBy<typeof hostImageUrl>, @Ctx() context: BusContext): Promise<OutputOf<typeof hostImageUrl>> {
    return this.images.url(hostOf(context), input);
  }
}

function hostOf(context: BusContext): string {
  if (context.hostId === undefined) throw forbidden('Only a host may ask this.');
  return context.hostId;
}
