import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { listChanges, readTimeline, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { Timeline } from './timeline.js';

@Controller()
export class TimelineController {
  constructor(private readonly timeline: Timeline) {}

  @Handles(readTimeline)
  read(@Payload() input: ReceivedBy<typeof readTimeline>): Promise<OutputOf<typeof readTimeline>> { return this.timeline.read(input); }

  @Handles(listChanges)
  changes(@Payload() input: ReceivedBy<typeof listChanges>): Promise<OutputOf<typeof listChanges>> { return this.timeline.changes(input); }
}
