import { Inject, Injectable } from '@nestjs/common';
import {
  openConsole, readDiagnostics,
  type connectConsole, type consoleEnded, type createConsoleTicket, type getServerDiagnostics, type HostId, type InstanceId, type OutputOf, type ReceivedBy, type redeemConsoleTicket,
} from '#libs/contracts';
import { asSkyError, conflict, notFound, SkyError } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { visible } from '../instances/caller-project.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { LIMITS } from '../limits.js';
import { TEMPO, type Tempo } from '../tempo.js';
import { ConsoleTicketsRepository } from './console-tickets.repository.js';
import { consoleAvailable } from './decide/console-available.js';

/** Tickets to consoles, and what a guest's host counts of it. Changes nothing of the server. */
@Injectable()
export class Consoles {
  constructor(
    private readonly instances: InstancesRepository, private readonly tickets: ConsoleTicketsRepository,
    @Inject(BUS) private readonly bus: Bus, @Inject(TEMPO) private readonly tempo: Tempo,
  ) {}

  async createTicket({ caller, instanceId, kind, ticketHash, sessionEndsAt, login }: ReceivedBy<typeof createConsoleTicket>): Promise<OutputOf<typeof createConsoleTicket>> {
    const row = visible(await this.instances.find(instanceId), caller, instanceId);
    const frozen = row.observed?.frozen ?? {};
    const answer = consoleAvailable(kind, { id: row.id, hostId: row.host_id, observedState: row.observed_state, frozen });
    if (!answer.ok) throw new SkyError(answer.kind, answer.message);
    const expiresAt = await this.tickets.create({
      hash: ticketHash, instanceId, projectId: row.project_id, userId: caller.userId, requestId: caller.requestId, kind, hostId: row.host_id as string,
      ttlMs: this.tempo.consoleTicketTtlMs, sessionEndsAt, login,
    });
    if (expiresAt === undefined) throw new SkyError('too-many-requests', `Instance ${instanceId} has ${LIMITS.consoleTicketsUnused} consoles waiting to be opened already.`, { retryAfterS: Math.ceil(this.tempo.consoleTicketTtlMs / 1000) });
    return { expiresAt: expiresAt.toISOString() };
  }

  /** One text for every reason: whoever guesses learns nothing. */
  async redeem({ ticketHash, sessionId, requestId, from }: ReceivedBy<typeof redeemConsoleTicket>): Promise<OutputOf<typeof redeemConsoleTicket>> {
    const used = await this.tickets.redeem(ticketHash, sessionId, requestId, from);
    if (used === undefined) throw notFound('This console ticket is unknown, used or expired; ask for a new one.');
    return { instanceId: used.instance_id as InstanceId, projectId: used.project_id, hostId: used.host_id as HostId, kind: used.kind, sessionEndsAt: used.session_ends_at.toISOString(), ...(used.login !== null && { login: used.login }) };
  }

  async connect({ sessionId, url, key }: ReceivedBy<typeof connectConsole>): Promise<Record<string, never>> {
    const session = await this.tickets.session(sessionId);
    if (session === undefined) throw notFound('There is no such console session.');
    await this.bus.ask(openConsole, { sessionId, instanceId: session.instance_id as InstanceId, kind: session.kind, url, key }, { hostId: session.host_id, timeoutMs: LIMITS.consoleConnectMs });
    return {};
  }

  async ended({ sessionId, reason }: ReceivedBy<typeof consoleEnded>): Promise<Record<string, never>> {
    await this.tickets.end(sessionId, reason);
    return {};
  }

  async diagnostics({ caller, instanceId }: ReceivedBy<typeof getServerDiagnostics>): Promise<OutputOf<typeof getServerDiagnostics>> {
    const row = visible(await this.instances.find(instanceId), caller, instanceId);
    const state = row.observed_state;
    if (row.host_id === null || state === null) throw conflict(`Instance ${instanceId} is not ready`);
    if (state !== 'running') throw conflict(`Cannot 'get_diagnostics' instance ${instanceId} while it is in power state ${POWER_WORDS[state] ?? 'pending'}`);
    try {
      const guest = await this.bus.ask(readDiagnostics, { instanceId }, { hostId: row.host_id, timeoutMs: LIMITS.hostAnswerMs });
      const uptimeS = row.launched_at === null ? null : Math.max(0, Math.floor((Date.now() - row.launched_at.getTime()) / 1000));
      return { configDrive: row.config_drive, uptimeS, guest };
    } catch (error) {
      // It ended, or its host has not begun with it.
      if (asSkyError(error).kind === 'not-found') throw conflict(`Instance ${instanceId} is not ready`, { cause: error });
      throw error;
    }
  }
}

/** Nova's words for power states. */
const POWER_WORDS: Readonly<Record<string, string>> = { paused: 'paused', stopped: 'shutdown', suspended: 'suspended', crashed: 'crashed' };
