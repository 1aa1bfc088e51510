import { Get, Inject, Param } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { getServer, listMigrations, type MigrationView } from '#libs/contracts';
import { notFound } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { migrationList } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { onlyIn } from '../../http/only-in.js';
import { MigrationList, ServerMigrationList } from '../answers.js';
import { serverIdOf } from '../servers/server-id.js';
import { ListMigrationsQuery, readMigrationListing } from './migrations.query.js';

@ComputeController('os-migrations')
export class MigrationsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:migrations:list')
  @Describe({ summary: 'List moves of servers, newest first', query: ListMigrationsQuery, answers: { 200: MigrationList } })
  async list(@CallParam() call: Call) {
    const { ask, paging } = readMigrationListing(call);
    const migrations: MigrationView[] = ask === undefined ? [] : (await asking(this.bus, call.caller)(listMigrations, ask)).migrations;
    return migrationList(migrations, paging, call);
  }
}

const SINCE = { since: '2.23' } as const;

/** Live migrations of one server that are under way: none is offered. Other moves are in /os-migrations. */
@ComputeController('servers/:serverId/migrations')
export class ServerMigrationsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:server-migrations:list')
  @Describe({ summary: 'A server’s live migrations under way', ...SINCE, answers: { 200: ServerMigrationList } })
  async list(@CallParam() call: Call, @Param('serverId') id: string) {
    onlyIn(call.version, SINCE);
    await this.server(call, id);
    return { migrations: [] };
  }

  @Get(':id')
  @Policy('compute:server-migrations:list')
  @Describe({ summary: 'One of them', ...SINCE, answers: { 404: null } })
  async get(@CallParam() call: Call, @Param('serverId') serverId: string, @Param('id') id: string): Promise<never> {
    onlyIn(call.version, SINCE);
    await this.server(call, serverId);
    throw notFound(`In-progress live migration ${id.slice(0, 100)} is not found for server ${serverId}.`);
  }

  private async server({ caller }: Call, id: string): Promise<void> {
    await asking(this.bus, caller)(getServer, { instanceId: serverIdOf(id) });
  }
}
