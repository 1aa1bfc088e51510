import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { unavailable } from '#libs/errors';
import { HttpError } from '#libs/http';
import { LOGGER, type Logger } from '#libs/observability';
import { IMAGE_CONFIG, timingsOf, type ImageConfig } from '../config.js';
import { LIMITS } from '../limits.js';
import { UploadsRepository } from './uploads.repository.js';

/**
 * The uploads that this process receives: it says that they are alive, and learns of those whose image was deleted or
 * taken over. After a crash nobody says so, and the images are given back when their lease ends.
 */
@Injectable()
export class RunningUploads implements BeforeApplicationShutdown {
  readonly #running = new Map<string, AbortController>();
  /** Those whose image is theirs by now; until then nobody says that they are alive, and nobody misses them. */
  readonly #begun = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #onEmpty: (() => void) | undefined;
  #closing = false;

  constructor(private readonly uploads: UploadsRepository, @Inject(IMAGE_CONFIG) private readonly config: ImageConfig, @Inject(LOGGER) private readonly logger: Logger) {}

  /** @throws SkyError unavailable when there are as many as may be. */
  enter(uploadId: string): AbortSignal {
    if (this.#closing) throw unavailable('The service is shutting down; try again.', { retryAfterS: 1 });
    if (this.#running.size >= LIMITS.uploads) throw unavailable(`${LIMITS.uploads} uploads are under way, which is the most at a time; try again.`, { retryAfterS: 5 });
    const controller = new AbortController();
    this.#running.set(uploadId, controller);
    this.#timer ??= setInterval(() => void this.#beat(), timingsOf(this.config).beatMs).unref();
    return controller.signal;
  }

  /** Its image is its own: from now on it says that it is alive. */
  begun(uploadId: string): void {
    if (this.#running.has(uploadId)) this.#begun.add(uploadId);
  }

  leave(uploadId: string): void {
    this.#running.delete(uploadId);
    this.#begun.delete(uploadId);
    if (this.#running.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#onEmpty?.();
  }

  async #beat(): Promise<void> {
    const ids = [...this.#begun];
    if (ids.length === 0) return;
    try {
      const alive = new Set(await this.uploads.beat(ids));
      for (const id of ids) if (!alive.has(id)) this.#running.get(id)?.abort(new HttpError(410, 'The image was deleted during the upload, or another upload took its place.'));
    } catch (error) {
      // The database is away: nobody can take over either, until it is back and a lease has passed.
      this.logger.debug({ error: String(error) }, 'uploads could not be renewed');
    }
  }

  /** Lets uploads end, then breaks off what still runs and waits until the images are given back. */
  async beforeApplicationShutdown(): Promise<void> {
    this.#closing = true;
    await this.#empty();
    for (const controller of this.#running.values()) controller.abort(unavailable('The service is shutting down; upload again.', { retryAfterS: 1 }));
    await this.#empty();
  }

  /** Resolves when no upload runs, after LIMITS.closeMs at the latest. */
  async #empty(): Promise<void> {
    if (this.#running.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LIMITS.closeMs);
      this.#onEmpty = () => { clearTimeout(timer); resolve(); };
    });
  }
}
