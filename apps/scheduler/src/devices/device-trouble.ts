/**
 * Tells compute that a server's device has gone or is out of order, so that the server's people read of it. A hint: the device's own
 * history has it too, whether the hint arrives or not.
 */
import { Inject, Injectable } from '@nestjs/common';
import { deviceTrouble, type DeviceIdentity, type HostId, type InstanceId } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import type { z } from 'zod';
import { LIMITS } from '../limits.js';

export interface Trouble { hostId: string; hostName: string; instanceId: string; identity: string; kind: string; message: string }

@Injectable()
export class DeviceTrouble {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  tell(troubles: readonly Trouble[]): void {
    for (const { hostId, hostName, instanceId, identity, kind, message } of troubles.slice(0, LIMITS.troublesTold)) {
      this.bus.hint(deviceTrouble, { hostId: hostId as HostId, hostName, instanceId: instanceId as InstanceId, identity: identity as z.output<typeof DeviceIdentity>, kind, message: message.slice(0, 500) });
    }
  }
}
