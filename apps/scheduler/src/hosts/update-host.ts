/**
 * Opens or closes a host to new servers. What runs there goes on.
 */
import { Injectable } from '@nestjs/common';
import type { z } from 'zod';
import type { HostView, updateHost } from '#libs/contracts';
import { forbidden, notFound } from '#libs/errors';
import { Liveness } from '../snapshot/liveness.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { HostsRepository } from './hosts.repository.js';
import { hostView } from './hosts.view.js';

@Injectable()
export class UpdateHost {
  constructor(private readonly hosts: HostsRepository, private readonly liveness: Liveness, private readonly snapshot: Snapshot) {}

  async execute({ caller, hostId, enabled, disabledReason }: z.output<typeof updateHost.input>): Promise<HostView> {
    if (!caller.isAdmin) throw forbidden('Only an admin may enable or disable a host.');
    const record = await this.hosts.setEnabled(hostId, enabled, disabledReason, { requestId: caller.requestId, userId: caller.userId });
    if (!record) throw notFound(`No host has the id ${hostId}.`);
    this.snapshot.wake();
    return hostView(record, this.liveness.of(hostId));
  }
}
