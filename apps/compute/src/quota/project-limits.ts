import { Inject, Injectable } from '@nestjs/common';
import { getProjectLimits, type ProjectLimits } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { LimitsCopy } from '#libs/quota';

/** This service's own copy of projects' limits: counted against here, owned by identity. */
@Injectable()
export class ProjectLimitsCopy {
  readonly #copy: LimitsCopy<ProjectLimits>;

  constructor(@Inject(BUS) bus: Bus) {
    this.#copy = new LimitsCopy((projectId) => bus.ask(getProjectLimits, { projectId }));
  }

  of(projectId: string): Promise<ProjectLimits> { return this.#copy.of(projectId); }
}
