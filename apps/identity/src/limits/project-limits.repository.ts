import { Inject, Injectable } from '@nestjs/common';
import type { ProjectLimits } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { DEFAULT_PROJECT_LIMITS } from '../limits.js';

@Injectable()
export class ProjectLimitsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  /** A project without a row of its own has the defaults, at generation 0. */
  async get(projectId: string): Promise<{ limits: ProjectLimits; generation: number }> {
    const { rows } = await this.db.pool.query<{ limits: Partial<ProjectLimits>; generation: string }>(
      'SELECT limits, generation FROM identity.project_limits WHERE project_id = $1', [projectId]);
    const row = rows[0];
    return { limits: { ...DEFAULT_PROJECT_LIMITS, ...row?.limits }, generation: Number(row?.generation ?? 0) };
  }
}
