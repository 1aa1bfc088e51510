import { Inject, Injectable } from '@nestjs/common';
import { hostHint, type HostId } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';

/** Wakes hosts whose wishes have changed. A lost ring costs time only: hosts ask now and then by themselves. */
@Injectable()
export class DeviceBell {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  ring(hostIds: Iterable<string>): void {
    for (const hostId of new Set(hostIds)) this.bus.hint(hostHint, {}, { hostId: hostId as HostId });
  }
}
