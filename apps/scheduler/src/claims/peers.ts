/**
 * Which schedulers there are. Each says that it is there, in memory alone: what the bus loses only makes two of them choose
 * alike, which the database settles. Owns nothing else. A crash: the others forget this one after a while.
 */
import { randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { schedulerHere } from '#libs/contracts';
import { BUS, type Bus, type Subscription } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { ownerOf } from '../decide/partition.js';
import { LIMITS } from '../limits.js';
import { Periodic } from '../periodic.js';

@Injectable()
export class Peers implements OnModuleInit, OnApplicationShutdown {
  readonly #id = randomUUID();
  /** When each of the others was heard last, on performance.now(). */
  readonly #heardAt = new Map<string, number>();
  #all: readonly string[] = [this.#id];
  readonly #say: Periodic;
  #subscription: Subscription | undefined;

  constructor(@Inject(BUS) private readonly bus: Bus, @Inject(LOGGER) logger: Logger) {
    this.#say = new Periodic('peers', LIMITS.peersSayMs, async () => this.#tick(), logger);
  }

  onModuleInit(): void {
    // No group: every scheduler hears all of them.
    this.#subscription = this.bus.onHint(schedulerHere, ({ id }) => this.#heard(id));
    this.#say.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#subscription?.stop();
    await this.#say.stop();
  }

  /** Which hosts to prefer; undefined: there is nobody to keep out of the way of. */
  preference(): ((hostId: string) => boolean) | undefined {
    const all = this.#all;
    return all.length === 1 ? undefined : (hostId) => ownerOf(hostId, all) === this.#id;
  }

  #heard(id: string): void {
    if (id === this.#id) return;
    const known = this.#heardAt.has(id);
    if (!known && this.#heardAt.size >= LIMITS.peers) return;
    this.#heardAt.set(id, performance.now());
    if (known) return;
    this.#count();
    // Who has just come does not know us yet.
    this.#say.wake();
  }

  #tick(): void {
    for (const [id, at] of this.#heardAt) if (performance.now() - at > LIMITS.peersForgetMs) this.#heardAt.delete(id);
    this.#count();
    this.bus.hint(schedulerHere, { id: this.#id });
  }

  #count(): void {
    this.#all = [this.#id, ...this.#heardAt.keys()];
  }
}
