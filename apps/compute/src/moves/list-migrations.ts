import { Injectable } from '@nestjs/common';
import type { listMigrations, OutputOf, ReceivedBy } from '#libs/contracts';
import { badRequest, forbidden } from '#libs/errors';
import { visible } from '../instances/caller-project.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { migrationView } from './migration-row.js';
import { MigrationsListRepository } from './migrations-list.repository.js';

/** Moves, newest first: all of them for administrators; one server's for whoever sees the server. Reads only. */
@Injectable()
export class ListMigrations {
  constructor(private readonly instances: InstancesRepository, private readonly moves: MigrationsListRepository) {}

  async list({ caller, filters, limit, marker }: ReceivedBy<typeof listMigrations>): Promise<OutputOf<typeof listMigrations>> {
    if (!caller.isAdmin) {
      if (filters.instanceId === undefined) throw forbidden('Only an administrator may list all migrations.');
      visible(await this.instances.find(filters.instanceId), caller, filters.instanceId as never);
    }
    const found = await this.moves.list(filters, limit, marker);
    if (found === undefined) throw badRequest(`marker [${marker ?? ''}] not found`);
    return { migrations: found.slice(0, limit).map(migrationView), more: found.length > limit };
  }
}
