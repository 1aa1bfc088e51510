import { Controller, Get } from '@nestjs/common';
import { CallerParam, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { forbidden } from '#libs/errors';
import { mibOf } from './decide/image-quota.js';
import { ImageLimitsCopy } from './image-limits-copy.js';
import { ImageUsageRepository } from './image-usage.repository.js';

/** What the caller's project uses of its limits. */
@Controller('image/v2/info/usage')
export class UsageController {
  constructor(private readonly limits: ImageLimitsCopy, private readonly usage: ImageUsageRepository) {}

  @Get()
  @Policy('image:usage:get')
  async get(@CallerParam() { projectId }: Caller): Promise<Record<string, unknown>> {
    if (projectId === null) throw forbidden('This request needs a token that is scoped to a project.');
    const [limits, used] = await Promise.all([this.limits.of(projectId), this.usage.of(projectId)]);
    return {
      usage: {
        image_size_total: { limit: limits.sizeMib, usage: mibOf(used.bytes) },
        // Nothing is staged: bytes come by upload alone.
        image_stage_total: { limit: limits.stageMib, usage: 0 },
        image_count_total: { limit: limits.count, usage: used.count },
        image_count_uploading: { limit: limits.uploading, usage: used.uploading },
      },
    };
  }
}
