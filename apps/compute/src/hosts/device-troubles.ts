/**
 * Hears from a scheduler that does not wait for an answer (device-troubles.controller.ts is for the others) that a server's device is gone
 * or out of order, and has the server's people read of it. Owns nothing: what is lost here stands in the device's own history.
 */
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { deviceTrouble } from '#libs/contracts';
import { BUS, type Bus, type Subscription } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { LIMITS } from '../limits.js';
import { DeviceTroublesRepository } from './device-troubles.repository.js';

@Injectable()
export class DeviceTroubles implements OnModuleInit, OnApplicationShutdown {
  #subscription: Subscription | undefined;
  #waiting = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(@Inject(BUS) private readonly bus: Bus, private readonly troubles: DeviceTroublesRepository, @Inject(LOGGER) private readonly logger: Logger) {}

  onModuleInit(): void {
    this.#subscription = this.bus.onHint(deviceTrouble, ({ instanceId, hostId, hostName, identity, kind, message }) => {
      // A card that falls out is hundreds at once; one after the other, so that nobody else waits for a connection.
      if (this.#waiting >= LIMITS.deviceTroubles) return;
      this.#waiting += 1;
      this.#turn = this.#turn.then(() => this.troubles.book(instanceId, hostId, hostName, `device-${kind}`, `device ${identity}: ${message}`))
        .catch((error: unknown) => { this.logger.warn({ err: error, instanceId, identity }, 'trouble with a device could not be booked'); })
        .finally(() => { this.#waiting -= 1; });
    }, { group: 'compute' });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#subscription?.stop();
    await this.#turn;
  }
}
