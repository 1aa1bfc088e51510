import { getLimits } from '#libs/contracts';
import type { Bus } from '#libs/messaging';
import { LimitsCopy } from '#libs/quota';
import { imageLimitsOf, type ImageLimits } from './decide/image-quota.js';

/** This service's own copy of projects' limits: counted against here, owned by identity. */
export class ImageLimitsCopy {
  readonly #copy: LimitsCopy<ImageLimits>;

  constructor(bus: Bus) {
    this.#copy = new LimitsCopy(async (projectId) => {
      const { limits, ...rest } = await bus.ask(getLimits, { projectId, service: 'image' });
      return { limits: imageLimitsOf(limits), ...rest };
    });
  }

  of(projectId: string): Promise<ImageLimits> { return this.#copy.of(projectId); }
}
