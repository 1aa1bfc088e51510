/**
 * Begins and ends fences. Owns the question whether a host may be fenced now, and the one transaction in which the fence
 * appears; the rest is the loop's. A crash after it: the loop of any replica goes on.
 */
import { Injectable } from '@nestjs/common';
import type { fenceHost, FenceView, HostView, ReceivedBy, unfenceHost } from '#libs/contracts';
import { badRequest, conflict, forbidden, notFound, unavailable } from '#libs/errors';
import { mayFence } from '../decide/fence.js';
import { LIMITS } from '../limits.js';
import { PowerRepository } from '../power/power.repository.js';
import { Liveness } from '../snapshot/liveness.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { FenceReconciler } from './fence.reconciler.js';
import { FencesRepository, fenceView } from './fences.repository.js';
import { byOf, HostsRepository, type HostRecord } from './hosts.repository.js';
import { hostView } from './hosts.view.js';

const REFUSALS = { conflict, unavailable, 'bad-request': badRequest };

@Injectable()
export class FenceHost {
  constructor(
    private readonly hosts: HostsRepository, private readonly fences: FencesRepository, private readonly loop: FenceReconciler,
    private readonly liveness: Liveness, private readonly snapshot: Snapshot, private readonly power: PowerRepository,
  ) {}

  async fence({ caller, hostId, method, statement, force }: ReceivedBy<typeof fenceHost>): Promise<FenceView> {
    if (!caller.isAdmin) throw forbidden('Only an admin may fence a host.');
    const record = await this.#find(hostId);
    const open = await this.fences.open(hostId);
    if (open && (open.phase !== 'done' || method !== 'statement')) {
      this.loop.wake();
      return fenceView(open);
    }
    // Those that have been lost for long are known to be; what counts is how many went away lately.
    let othersLost = 0;
    for (const [id, beat] of this.liveness.beats) if (id !== hostId && this.liveness.look(id, beat).state === 'lost' && Date.now() - beat.stateSinceMs < LIMITS.lostLatelyMs) othersLost += 1;
    const verdict = mayFence({
      method, name: record.name, certain: this.liveness.certainty().certain, condition: this.liveness.of(hostId).condition,
      hosts: this.liveness.beats.size, othersLost, hasPower: (await this.power.find(hostId)) !== undefined, force, lostShare: LIMITS.lostShare,
    });
    if (!verdict.may) throw REFUSALS[verdict.kind](verdict.why);
    if (open) {
      await this.fences.again(open, { statement, ...byOf(caller) });
      this.loop.wake();
      return fenceView(open);
    }
    const fence = await this.fences.begin(hostId, { method, statement, ...byOf(caller) });
    if (!fence) throw notFound(`No host has the id ${hostId}.`);
    this.snapshot.wake();
    this.loop.wake();
    return fenceView(fence);
  }

  async unfence({ caller, hostId }: ReceivedBy<typeof unfenceHost>): Promise<HostView> {
    if (!caller.isAdmin) throw forbidden('Only an admin may take a fenced host back.');
    const record = await this.#find(hostId);
    if (record.fenced_at !== null) {
      const fence = await this.fences.askReadmission(hostId, byOf(caller));
      if (fence && fence.phase !== 'readmit') throw conflict(`The fence of ${record.name} is still under way (${fence.phase}${fence.last_error === null ? '' : `: ${fence.last_error}`}); take the host back when it is done.`);
      this.loop.wake();
    }
    return hostView(await this.#find(hostId), this.liveness.of(hostId));
  }

  async #find(hostId: string): Promise<HostRecord> {
    const record = (await this.hosts.list({ id: hostId }))[0];
    if (!record) throw notFound(`No host has the id ${hostId}.`);
    return record;
  }
}
