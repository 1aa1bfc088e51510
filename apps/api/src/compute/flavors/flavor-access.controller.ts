import { Body, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { addFlavorAccess, listFlavorAccess, removeFlavorAccess, type Caller } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { unlessRepeated } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { flavorAccessView, has } from '#libs/openstack';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { readBody } from '../../http/read-input.js';
import { FlavorAccess } from '../answers.js';
import { checkProject } from '../limits/project-limits.js';
import { flavorIdOf } from './flavor-id.js';
import { AddTenantAccessBody, FlavorActionBody, RemoveTenantAccessBody } from './flavors.schema.js';

/** Which projects see a flavor that is not public. */
@ComputeController('flavors/:flavorId')
export class FlavorAccessController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get('os-flavor-access')
  @Policy('compute:flavor-access:list')
  @Describe({ summary: 'Projects that see a flavor which is not public', answers: { 200: FlavorAccess } })
  async list(@CallParam() { caller }: Call, @Param('flavorId') id: string) {
    return flavorAccessView(id, (await this.access(caller, id)).projectIds);
  }

  @Post('action')
  @HttpCode(200)
  @Policy('compute:flavors:action')
  @Describe({ summary: 'addTenantAccess, removeTenantAccess', body: FlavorActionBody, answers: { 200: FlavorAccess } })
  async act(@CallParam() call: Call, @Param('flavorId') id: string, @Body() body: unknown) {
    const [action, ...others] = typeof body === 'object' && body !== null && !Array.isArray(body) ? Object.keys(body) : [];
    if (action === undefined || others.length > 0) throw badRequest('Malformed request body');
    if (action === 'addTenantAccess') return this.add(call, id, body);
    if (action === 'removeTenantAccess') return this.remove(call, id, body);
    throw badRequest(`There is no such action: ${action.slice(0, 100)}`);
  }

  private access(caller: Caller, id: string) {
    return asking(this.bus, caller)(listFlavorAccess, { flavorId: flavorIdOf(id) });
  }

  private async add({ caller, version, ids }: Call, id: string, body: unknown) {
    const { addTenantAccess: { tenant } } = readBody(AddTenantAccessBody, body);
    await checkProject(this.bus, caller, tenant);
    const add = asking(this.bus, caller)(addFlavorAccess, { flavorId: flavorIdOf(id), projectId: tenant, privateOnly: has(version, 'flavor-access.private-only') });
    const { projectIds } = await unlessRepeated(ids, add, () => this.access(caller, id), (there) => there.projectIds.includes(tenant));
    return flavorAccessView(id, projectIds);
  }

  /** The project may be gone; what it was given can be taken away all the same. */
  private async remove({ caller, ids }: Call, id: string, body: unknown) {
    const { removeTenantAccess: { tenant } } = readBody(RemoveTenantAccessBody, body);
    const remove = asking(this.bus, caller)(removeFlavorAccess, { flavorId: flavorIdOf(id), projectId: tenant });
    return flavorAccessView(id, (await unlessRepeated(ids, remove, () => this.access(caller, id), (there) => !there.projectIds.includes(tenant))).projectIds);
  }
}
