/**
 * Opens or closes a host to new servers. What runs there goes on. Nova's forced_down comes here too: it is a fence by the
 * caller's word, and the end of one.
 */
import { Injectable } from '@nestjs/common';
import type { z } from 'zod';
import type { HostView, updateHost } from '#libs/contracts';
import { badRequest, forbidden, notFound } from '#libs/errors';
import { Liveness } from '../snapshot/liveness.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { FenceHost } from './fence-host.js';
import { byOf, HostsRepository } from './hosts.repository.js';
import { hostView } from './hosts.view.js';

@Injectable()
export class UpdateHost {
  constructor(private readonly hosts: HostsRepository, private readonly liveness: Liveness, private readonly snapshot: Snapshot, private readonly fences: FenceHost) {}

  async execute({ caller, hostId, enabled, disabledReason, forcedDown }: z.output<typeof updateHost.input>): Promise<HostView> {
    if (!caller.isAdmin) throw forbidden('Only an admin may enable or disable a host.');
    if (enabled === undefined && forcedDown === undefined) throw badRequest('Nothing to change was named.');
    if (forcedDown === true) await this.fences.fence({ caller, hostId, method: 'statement', statement: `forced down through the compute API by ${caller.userName}, who states that it is off`, force: false });
    if (forcedDown === false) await this.fences.unfence({ caller, hostId });
    const record = enabled === undefined ? (await this.hosts.list({ id: hostId }))[0]
      : await this.hosts.setEnabled(hostId, enabled, disabledReason, byOf(caller));
    if (!record) throw notFound(`No host has the id ${hostId}.`);
    this.snapshot.wake();
    return hostView(record, this.liveness.of(hostId));
  }
}
