import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { bookDeviceTroubles, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { DeviceTroublesRepository } from './device-troubles.repository.js';

/** What the scheduler tells of servers' devices, until it is answered. */
@Controller()
export class DeviceTroublesController {
  constructor(private readonly troubles: DeviceTroublesRepository) {}

  @Handles(bookDeviceTroubles)
  async book(@Payload() { troubles }: ReceivedBy<typeof bookDeviceTroubles>): Promise<Record<string, never>> {
    await this.troubles.bookOnce(troubles);
    return {};
  }
}
