import { Inject, Injectable } from '@nestjs/common';
import { getProjectLimits, type ProjectLimits } from '#libs/contracts';
import { asSkyError } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { LIMITS } from '../limits.js';

interface Copy { limits: ProjectLimits; generation: number; at: number }

/**
 * This service's own copy of projects' limits: counted against here, owned by identity. A copy of an older generation
 * never replaces a newer one. Identity away: the last copy goes on counting for a while.
 */
@Injectable()
export class ProjectLimitsCopy {
  readonly #copies = new Map<string, Copy>();
  readonly #asking = new Map<string, Promise<Copy>>();

  constructor(@Inject(BUS) private readonly bus: Bus) {}

  async of(projectId: string): Promise<ProjectLimits> {
    const copy = this.#copies.get(projectId);
    if (copy && performance.now() - copy.at < LIMITS.projectLimitsFreshMs) return copy.limits;
    try {
      return (await this.#ask(projectId)).limits;
    } catch (error) {
      const { kind } = asSkyError(error);
      if ((kind === 'unavailable' || kind === 'timeout') && copy && performance.now() - copy.at < LIMITS.projectLimitsStaleMs) return copy.limits;
      throw error;
    }
  }

  /** One question at a time per project, however many creates wait for it. */
  #ask(projectId: string): Promise<Copy> {
    const asking = this.#asking.get(projectId) ?? this.bus.ask(getProjectLimits, { projectId })
      .then(({ limits, generation }) => {
        const known = this.#copies.get(projectId);
        const copy = known && known.generation > generation ? { ...known, at: performance.now() } : { limits, generation, at: performance.now() };
        this.#copies.delete(projectId);
        this.#copies.set(projectId, copy);
        if (this.#copies.size > LIMITS.projectLimitsKept) this.#copies.delete(this.#copies.keys().next().value as string);
        return copy;
      })
      .finally(() => this.#asking.delete(projectId));
    this.#asking.set(projectId, asking);
    return asking;
  }
}
