/**
 * Why a sweep: a process may die between any two lines of an upload or a delete, and nobody else remembers. It gives back
 * images whose upload went silent and removes files that no image wants. Level-triggered: it looks at what is, not at what happened.
 *
 * Never removes a complete file of an image that the database has never heard of: then it is the database that is older
 * (restored from a backup), and the bytes are somebody's. Killed anywhere, the next round does the rest.
 */
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { LOGGER, type Logger } from '#libs/observability';
import { IMAGE_CONFIG, timingsOf, type ImageConfig } from '../config.js';
import { LIMITS } from '../limits.js';
import { FileStore, type StoredFile } from '../store/file-store.js';
import { judgeFile } from './decide/judge-file.js';
import { UploadsRepository } from './uploads.repository.js';

export interface Swept { givenBack: number; removed: number; unknown: number }

@Injectable()
export class SweepReconciler implements OnApplicationBootstrap, OnApplicationShutdown {
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();
  #stopped = false;
  /** performance.now() of the first answer after the database was away; leases run only while it is there. */
  #reachableSince: number | undefined;
  #unknownBefore = 0;

  constructor(private readonly uploads: UploadsRepository, private readonly store: FileStore, @Inject(IMAGE_CONFIG) private readonly config: ImageConfig, @Inject(LOGGER) private readonly logger: Logger) {}

  onApplicationBootstrap(): void {
    this.#plan(0);
  }

  async onApplicationShutdown(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  #plan(afterMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => { this.#round = this.#tick(); }, afterMs).unref();
  }

  async #tick(): Promise<void> {
    const { sweepMs, leaseMs } = timingsOf(this.config);
    try {
      await this.sweep();
    } catch (error) {
      this.#reachableSince = undefined;
      this.logger.warn({ error: String(error) }, 'image sweep failed; it is repeated');
    }
    // A lease that runs out right after a start is looked at right then.
    const sooner = this.#reachableSince !== undefined && performance.now() - this.#reachableSince < leaseMs ? leaseMs : sweepMs;
    this.#plan(Math.min(sooner, sweepMs) * (0.9 + Math.random() * 0.2));
  }

  /** One round, now. */
  async sweep(): Promise<Swept> {
    const swept: Swept = { givenBack: (await this.#giveBackSilent()).length, removed: 0, unknown: 0 };
    let batch: StoredFile[] = [];
    for await (const file of this.store.files()) {
      batch.push(file);
      if (batch.length >= LIMITS.sweepBatch) {
        await this.#judge(batch, swept);
        batch = [];
      }
    }
    await this.#judge(batch, swept);
    if (swept.givenBack + swept.removed > 0) this.logger.info(swept, 'image store swept');
    if (swept.unknown > 0 && swept.unknown !== this.#unknownBefore) this.logger.warn({ files: swept.unknown }, 'image files whose images the database does not know; they are kept');
    this.#unknownBefore = swept.unknown;
    return swept;
  }

  async #giveBackSilent(): Promise<string[]> {
    const { leaseMs } = timingsOf(this.config);
    if (this.#reachableSince !== undefined && performance.now() - this.#reachableSince >= leaseMs) return this.uploads.giveBackSilent(leaseMs);
    // Just back, or just started: whoever still receives gets the time to say so.
    await this.uploads.ownersOf([]);
    this.#reachableSince ??= performance.now();
    return [];
  }

  /** The files were listed before the rows are read: what began since is not among them. */
  async #judge(files: readonly StoredFile[], swept: Swept): Promise<void> {
    if (files.length === 0) return;
    const owners = await this.uploads.ownersOf(files.map((file) => file.imageId));
    const { orphanMs } = timingsOf(this.config);
    for (const file of files) {
      const verdict = judgeFile(file, owners.get(file.imageId), orphanMs);
      if (verdict === 'unknown') swept.unknown += 1;
      if (verdict !== 'remove') continue;
      await this.store.removeFound(file);
      swept.removed += 1;
    }
  }
}
