import { Controller, UseFilters } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { z } from 'zod';
import { listHosts, listZones, reportInventory, updateHost, type HostView } from '#libs/contracts';
import { Handles, type BusContext } from '#libs/messaging';
import { DatabaseErrorFilter } from '../database-error.js';
import { ListHosts } from './list-hosts.js';
import { ReportInventory } from './report-inventory.js';
import { UpdateHost } from './update-host.js';

@Controller()
@UseFilters(DatabaseErrorFilter)
export class HostsController {
  constructor(private readonly reportInventory: ReportInventory, private readonly updateHost: UpdateHost, private readonly listHosts: ListHosts) {}

  @Handles(reportInventory)
  report(@Payload() report: z.output<typeof reportInventory.input>, @Ctx() context: BusContext): Promise<z.output<typeof reportInventory.output>> {
    return this.reportInventory.execute(context.hostId!, report);
  }

  @Handles(listHosts)
  async list(@Payload() filter: z.output<typeof listHosts.input>): Promise<z.output<typeof listHosts.output>> {
    return { hosts: await this.listHosts.hostViews(filter) };
  }

  @Handles(updateHost)
  update(@Payload() input: z.output<typeof updateHost.input>): Promise<HostView> {
    return this.updateHost.execute(input);
  }

  @Handles(listZones)
  async zones(): Promise<z.output<typeof listZones.output>> {
    return { zones: await this.listHosts.zones() };
  }
}
