import { Controller, UseFilters } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { createDeviceClass, createDevicePool, deleteDeviceClass, deleteDevicePool, listDeviceClasses, listDevicePools, updateDeviceClass, updateDevicePool, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { DatabaseErrorFilter } from '../database-error.js';
import { DeviceDefinitions } from './device-definitions.js';
import { DeviceViews } from './device-views.js';

@Controller()
@UseFilters(DatabaseErrorFilter)
export class DeviceDefinitionsController {
  constructor(private readonly definitions: DeviceDefinitions, private readonly views: DeviceViews) {}

  @Handles(listDeviceClasses)
  async classes(@Payload() { name }: ReceivedBy<typeof listDeviceClasses>): Promise<OutputOf<typeof listDeviceClasses>> { return { classes: await this.views.classes(name) }; }

  @Handles(createDeviceClass)
  async createClass(@Payload() input: ReceivedBy<typeof createDeviceClass>): Promise<OutputOf<typeof createDeviceClass>> {
    const plan = await this.definitions.createClass(input);
    return { plan, class: input.dryRun ? null : (await this.views.classes(input.class.name))[0] ?? null };
  }

  @Handles(updateDeviceClass)
  async updateClass(@Payload() input: ReceivedBy<typeof updateDeviceClass>): Promise<OutputOf<typeof updateDeviceClass>> {
    const plan = await this.definitions.updateClass(input);
    return { plan, class: input.dryRun ? null : (await this.views.classes(input.name))[0] ?? null };
  }

  @Handles(deleteDeviceClass)
  async deleteClass(@Payload() input: ReceivedBy<typeof deleteDeviceClass>): Promise<OutputOf<typeof deleteDeviceClass>> { return { plan: await this.definitions.deleteClass(input) }; }

  @Handles(listDevicePools)
  async pools(@Payload() which: ReceivedBy<typeof listDevicePools>): Promise<OutputOf<typeof listDevicePools>> { return { pools: await this.views.pools(which) }; }

  @Handles(createDevicePool)
  async createPool(@Payload() input: ReceivedBy<typeof createDevicePool>): Promise<OutputOf<typeof createDevicePool>> {
    const plan = await this.definitions.createPool(input);
    return { plan, pool: input.dryRun ? null : (await this.views.pools({ id: input.pool.id }))[0] ?? null };
  }

  @Handles(updateDevicePool)
  async updatePool(@Payload() input: ReceivedBy<typeof updateDevicePool>): Promise<OutputOf<typeof updateDevicePool>> {
    const plan = await this.definitions.updatePool(input);
    return { plan, pool: input.dryRun ? null : (await this.views.pools({ id: input.id }))[0] ?? null };
  }

  @Handles(deleteDevicePool)
  async deletePool(@Payload() input: ReceivedBy<typeof deleteDevicePool>): Promise<OutputOf<typeof deleteDevicePool>> { return { plan: await this.definitions.deletePool(input) }; }
}
