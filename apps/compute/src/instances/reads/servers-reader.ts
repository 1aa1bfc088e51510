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
import { nameOfListed, viewOfListed } from './listed-rows.js';
import { ServersListRepository } from './servers-list.repository.js';

/** Everything that is read of servers. Changes nothing. */
@Injectable()
export class ServersReader {
  constructor(private readonly instances: InstancesRepository, private readonly lists: ServersListRepository, @Inject(BUS) private readonly bus: Bus) {}

  /** @param unbounded no message limits the answer */
  async list(input: ReceivedBy<typeof listServers>, unbounded = false): Promise<OutputOf<typeof listServers>> {
    const { caller, projectId, filters } = input;
    if (!caller.isAdmin && projectId !== caller.projectId) throw forbidden("Only an administrator may list other projects' servers.");
    if (filters.deleted === true && !caller.isAdmin) throw forbidden('Only administrators may list deleted instances');
    const { rows, more } = await this.lists.list(input, unbounded ? LIMITS.handedOverBytes : LIMITS.answerBytes);
    // A thousand names always fit.
    const views = rows.map(input.namesOnly ? nameOfListed : viewOfListed);
    const instances = unbounded || input.namesOnly ? views : fitting(views);
    return { instances, more: more || rows.length > instances.length };
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
    const [usage, keypairs, serverGroups] = await Promise.all([
      this.instances.usage(projectId), this.instances.keypairCount(caller.userId), this.instances.serverGroupCount(projectId),
    ]);
    return { ...usage, keypairs, serverGroups };
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

/** As many as fit one message, and at least one. What may be long is measured; the rest of a server is about as long as the first one's. */
function fitting(views: InstanceView[]): InstanceView[] {
  const [first] = views;
  if (first === undefined) return views;
  const rest = Buffer.byteLength(JSON.stringify(first)) - longPartsOf(first) + LIMITS.listedSlackBytes;
  let bytes = 0;
  const end = views.findIndex((view) => (bytes += rest + longPartsOf(view)) > LIMITS.answerBytes);
  return end === -1 ? views : views.slice(0, Math.max(1, end));
}

/** Bytes of what is a text or null, as JSON; what is left are numbers, flags and ids that all have. */
function longPartsOf(view: InstanceView): number {
  const { flavor, metadata, tags, fault } = view;
  let bytes = (view.userData?.length ?? 0) + (fault === null ? 0 : Buffer.byteLength(JSON.stringify(fault)));
  for (const text of [
    view.name, view.hostname, view.description, view.keyName, view.lockedReason, view.requestedZone, view.availabilityZone, view.hostId, view.hostName, view.groupId, view.step,
    view.moveKind, view.movePhase, view.observedState, view.launchedAt, view.terminatedAt, flavor.id, flavor.name, flavor.description,
  ]) bytes += textBytes(text);
  for (const key in metadata) bytes += textBytes(key) + textBytes(metadata[key] ?? '') + 2;
  for (const tag of tags) bytes += textBytes(tag) + 1;
  for (const key in flavor.extraSpecs) bytes += textBytes(key) + textBytes(flavor.extraSpecs[key] ?? '') + 2;
  return bytes;
}

/** Only what is plain counts as it is: escaped characters take up to six bytes. */
const PLAIN = /^[\w .:/@+=-]*$/;
const textBytes = (text: string | null): number => (text === null ? 4 : PLAIN.test(text) ? text.length + 2 : Buffer.byteLength(JSON.stringify(text)));
