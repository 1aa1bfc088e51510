/**
 * Gives a server that is there more devices of its own host, and takes them back: choose on the snapshot, take in PostgreSQL, choose
 * again what was lost to others. Owns the answers to `claimDevices` and `releaseDevices`; never the claim, which is a row. If the process
 * dies between commit and answer, the same question gets the same devices.
 */
import { Injectable } from '@nestjs/common';
import type { claimDevices, Layout, OutputOf, ReceivedBy, releaseDevices } from '#libs/contracts';
import { conflict, stale, unavailable } from '#libs/errors';
import { devicesOfAttachment } from '#libs/openstack';
import { moreDevices } from '../decide/devices/attach.js';
import { DeviceBell } from '../devices/device-bell.js';
import { LIMITS } from '../limits.js';
import { meters } from '../metrics.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { AttachedDevicesRepository, type Attached } from './attached-devices.repository.js';

@Injectable()
export class AttachedDevices {
  constructor(private readonly claims: AttachedDevicesRepository, private readonly snapshot: Snapshot, private readonly bell: DeviceBell) {}

  /** Throws `stale` when the claim is not the one that is meant; `conflict` when the attachment is over, the guest has no slots, or its host is fenced. */
  async claim({ need, ...attached }: ReceivedBy<typeof claimDevices>): Promise<OutputOf<typeof claimDevices>> {
    const askedAt = performance.now();
    for (let attempt = 0; attempt < LIMITS.attachAttempts; attempt += 1) {
      const held = await this.claims.find(attached);
      if (held === undefined) throw gone(attached);
      if (await this.claims.isReleased(attached)) throw over(attached);
      if (held.layout !== null && devicesOfAttachment(held.layout, attached.attachment).length > 0) return { outcome: 'claimed', layout: held.layout };
      if (held.fenced) throw conflict('The host of the server is fenced: nothing is attached there.');
      if (!this.snapshot.loaded || attempt > 0) await this.snapshot.refresh();
      const { fleet, atMs, readBegan } = this.snapshot;
      const host = fleet.indexOf(held.hostId);
      if (host < 0) throw unavailable('The host of the server is not known yet; try again.', { retryAfterS: 1 });
      const more = moreDevices(fleet, host, held, { ...need, attachment: attached.attachment }, attempt === 0 ? 0 : Math.trunc(Math.random() * 0x1_0000));
      if ('explanation' in more) {
        // No is said from a reading alone that began after the question.
        if (readBegan < askedAt || this.snapshot.torn) continue;
        meters.claims.inc({ outcome: 'refused' });
        return { outcome: 'refused', explanation: { ...more.explanation, snapshotAt: new Date(atMs).toISOString() } };
      }
      demandSlots(held.layout, more.devices.length);
      const extended = await this.claims.extend(attached, held.layout, more.devices);
      if (extended.is === 'gone') throw gone(attached);
      if (extended.is === 'released') throw over(attached);
      if (extended.is === 'lost') {
        meters.conflicts.inc();
        continue;
      }
      this.#told(held.hostId);
      return { outcome: 'claimed', layout: extended.layout };
    }
    throw unavailable('Many devices are being given at the same moment; try again.', { retryAfterS: 1 });
  }

  /** Throws `stale` when the claim is not the one that is meant. */
  async release(attached: ReceivedBy<typeof releaseDevices>): Promise<OutputOf<typeof releaseDevices>> {
    const released = await this.claims.release(attached);
    if (released === undefined) throw gone(attached);
    if (released.freed) this.#told(released.hostId);
    return { layout: released.layout };
  }

  /** Its host prepares or cleans them; everybody's next choice sees it. */
  #told(hostId: string): void {
    this.bell.ring([hostId]);
    this.snapshot.wake();
  }
}

const gone = ({ instanceId, hostId }: Attached) => stale(`Instance ${instanceId} has no claim on host ${hostId} (any more).`);
const over = ({ attachment }: Attached) => conflict(`Attachment ${attachment} was detached before. What to do: ask for a new one.`);

function demandSlots(layout: Layout | null, more: number): void {
  const there = layout?.devices?.length ?? 0;
  if (there + more > LIMITS.devicesOfServer) throw conflict(`The server has ${there} devices, ${more} more were wanted, and a guest has slots for ${LIMITS.devicesOfServer}.`);
}
