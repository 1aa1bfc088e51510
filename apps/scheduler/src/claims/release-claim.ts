/**
 * Frees a server's claim and leaves a tombstone. Idempotent: usage falls exactly when a live claim became a tombstone.
 */
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { badRequest } from '#libs/errors';
import { MOST } from '../decide/capacity.js';
import { DeviceBell } from '../devices/device-bell.js';
import { LIMITS } from '../limits.js';
import { meters } from '../metrics.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { ClaimsRepository } from './claims.repository.js';
import { MicroBatch, type Entry } from './micro-batch.js';

interface Release { instanceId: string; generation: number; /** run, move, or what a move's end kept it as. */ purpose: string }

@Injectable()
export class ReleaseClaim implements BeforeApplicationShutdown {
  readonly #batches = new MicroBatch<Release, { released: boolean }>({
    name: 'releases', most: LIMITS.batch, waiting: LIMITS.waiting, attempts: LIMITS.claimAttempts,
    keyOf: (release) => release.instanceId, run: (entries) => this.#round(entries),
  });

  constructor(private readonly claims: ClaimsRepository, private readonly snapshot: Snapshot, private readonly bell: DeviceBell) {}

  async beforeApplicationShutdown(): Promise<void> {
    await this.#batches.drained();
  }

  /** `released`: this very call freed a live claim. */
  async execute(release: Release, signal?: AbortSignal): Promise<{ released: boolean }> {
    if (Math.abs(release.generation) > MOST) throw badRequest(`A generation is at most ${MOST}.`);
    return this.#batches.ask(release, signal);
  }

  async #round(entries: Entry<Release, { released: boolean }>[]): Promise<void> {
    const released = await this.claims.release(entries.map((entry) => entry.item));
    const freed = new Set(released.map(({ instanceId }) => instanceId));
    this.bell.ring(released.filter(({ devices }) => devices).map(({ hostId }) => hostId));
    for (const entry of entries) entry.answer({ released: freed.has(entry.item.instanceId) });
    if (freed.size === 0) return;
    meters.releases.inc(freed.size);
    this.snapshot.wake();
  }
}
