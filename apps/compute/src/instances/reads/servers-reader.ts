import { Inject, Injectable } from '@nestjs/common';
import {
  inspectOnHost, readConsoleLog,
  type getConsoleLog, type getServer, type getUsage, type inspectServer, type InstanceView, type listServers, type OutputOf, type ReceivedBy,
} from '#libs/contracts';
import { asSkyError, forbidden, notFound } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { LIMITS } from '../../limits.js';
import { visible } from '../caller-project.js';
import { viewOf } from '../instance-row.js';
import { InstancesRepository } from '../instances.repository.js';
import { ServersListRepository } from './servers-list.repository.js';

/** Everything that is read of servers. Changes nothing. */
@Injectable()
export class ServersReader {
  constructor(private readonly instances: InstancesRepository, private readonly lists: ServersListRepository, @Inject(BUS) private readonly bus: Bus) {}

  async list(input: ReceivedBy<typeof listServers>): Promise<OutputOf<typeof listServers>> {
    const { caller, projectId, filters } = input;
    if (!caller.isAdmin && projectId !== caller.projectId) throw forbidden("Only an administrator may list other projects' servers.");
    if (filters.deleted === true && !caller.isAdmin) throw forbidden('Only administrators may list deleted instances');
    const rows = await this.lists.list(input);
    return { instances: rows.slice(0, input.limit).map(viewOf), more: rows.length > input.limit };
  }

  async get({ caller, instanceId }: ReceivedBy<typeof getServer>): Promise<InstanceView> {
    return viewOf(visible(await this.instances.find(instanceId), caller, instanceId));
  }

  async consoleLog({ caller, instanceId, lines }: ReceivedBy<typeof getConsoleLog>): Promise<{ output: string }> {
    const row = visible(await this.instances.find(instanceId), caller, instanceId);
    if (row.host_id === null) return { output: '' };
    try {
      return await this.bus.ask(readConsoleLog, { instanceId, ...(lines !== undefined && { lines }) }, { hostId: row.host_id });
    } catch (error) {
      // The host has not begun with it.
      if (asSkyError(error).kind === 'not-found') return { output: '' };
      throw error;
    }
  }

  /** For administrators: also what is deleted, for as long as its row stands. */
  async inspect({ caller, instanceId }: ReceivedBy<typeof inspectServer>): Promise<OutputOf<typeof inspectServer>> {
    if (!caller.isAdmin) throw forbidden('Only an administrator may inspect a server.');
    const row = await this.instances.find(instanceId);
    if (!row) throw notFound(`Instance ${instanceId} could not be found.`);
    const [events, host] = await Promise.all([this.instances.events(instanceId, LIMITS.inspectEvents), this.#onHost(row.deleted_at === null ? row.host_id : null, instanceId)]);
    return {
      instance: viewOf(row), step: row.step, waitingFor: row.waiting_for, attempts: row.attempts, reconcileAt: row.reconcile_at?.toISOString() ?? null, lastError: row.last_error,
      placement: row.placement, ...host,
      events: events.map((event) => ({ at: event.at.toISOString(), kind: event.kind, message: event.message, requestId: event.request_id })),
    };
  }

  async usage({ caller, projectId }: ReceivedBy<typeof getUsage>): Promise<OutputOf<typeof getUsage>> {
    if (!caller.isAdmin && projectId !== caller.projectId) throw forbidden("Only an administrator may see another project's usage.");
    const [usage, keypairs] = await Promise.all([this.instances.usage(projectId), this.instances.keypairCount(caller.userId)]);
    return { ...usage, keypairs };
  }

  async #onHost(hostId: string | null, instanceId: InstanceView['id']): Promise<{ host: Record<string, unknown> | null; hostError: string | null }> {
    if (hostId === null) return { host: null, hostError: null };
    try {
      return { host: await this.bus.ask(inspectOnHost, { instanceId }, { hostId, timeoutMs: LIMITS.hostAnswerMs }), hostError: null };
    } catch (error) {
      return { host: null, hostError: asSkyError(error).message };
    }
  }
}
