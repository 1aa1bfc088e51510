import { Controller, Get, Inject, Param } from '@nestjs/common';
import { allows, CallerParam, Policy } from '#libs/auth';
import { readTimeline, type Caller } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { serverIdOf } from '../../compute/servers/server-id.js';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { LIMITS } from '../../limits.js';
import { TimelineAnswer } from '../v1.schema.js';
import { forTenant, withoutHosts } from './tenant-timeline.js';

/** The whole history of a server: what was asked, each step with its duration, each wait with its reason, and what happened by itself. */
@Controller('v1/servers')
export class TimelineController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get(':id/timeline')
  @Policy('skylite:servers:timeline')
  @Describe({ summary: 'A server’s history, newest first; also of a deleted one', answers: { 200: TimelineAnswer } })
  async read(@CallerParam() caller: Caller, @Param('id') id: string) {
    const { entries, more } = await asking(this.bus, caller)(readTimeline, { instanceId: serverIdOf(id), deletedToo: true, withLines: true, limit: LIMITS.timelineEntries });
    return { timeline: allows('compute:servers:host-details', caller) ? entries : entries.map((entry) => withoutHosts(forTenant(entry))), more };
  }
}
