import { Inject, Injectable } from '@nestjs/common';
import { audit } from '#libs/audit';
import type { Caller } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest } from '#libs/errors';
import { found } from '../http/found.js';
import { refuseImmutableChange } from '../http/immutable.js';
import { LIMITS } from '../limits.js';
import { ProjectsRepository } from './projects.repository.js';

/** Changes a project's tags, under its lock, so that two who add one each leave two. */
@Injectable()
export class ChangeTags {
  constructor(@Inject(DATABASE) private readonly db: Database, private readonly projects: ProjectsRepository) {}

  run(caller: Caller, id: string, change: (tags: readonly string[]) => string[]): Promise<string[]> {
    return this.db.transaction(async (client) => {
      const old = found('project', id, await this.projects.lock(client, id));
      refuseImmutableChange('project', id, old.options, { tags: true });
      const tags = change(old.tags);
      if (tags.length > LIMITS.tags) throw badRequest(`A project has at most ${LIMITS.tags} tags.`);
      await this.projects.update(client, { ...old, tags });
      await audit(client, caller, { service: 'identity', action: 'project-tags:update', target: { kind: 'project', id }, detail: { tags } });
      return tags;
    });
  }
}
