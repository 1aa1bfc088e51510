/**
 * What changed, for all listeners of this process: one question at a time, however many listen; none while nobody does.
 *
 * Owns: how far the listeners have been told. Never keeps a change: who was away asks for what it missed (`since`). If it
 * crashes, clients come back with the last place they saw and miss nothing.
 */
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { listChanges, type Change, type OutputOf } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { LIMITS } from '../../limits.js';
import type { Place } from './place.js';

export interface Listener {
  /** In the order of commits; then everything up to `upTo` is told. */
  changes(changes: readonly Change[], upTo: Place): void;
  /** What came before cannot be known: look at everything anew. */
  reset(upTo: Place): void;
  /** This process ends. */
  close(): void;
}

type Answer = OutputOf<typeof listChanges>;

@Injectable()
export class ChangeFeed implements OnModuleDestroy {
  readonly #listeners = new Set<Listener>();
  #at: Place | undefined;
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<void> | undefined;
  #failing = false;
  #closed = false;

  constructor(@Inject(BUS) private readonly bus: Bus, @Inject(LOGGER) private readonly logger: Logger) {}

  get size(): number { return this.#listeners.size; }

  /** From now on `listener` is told. Gives what ends it. */
  listen(listener: Listener): () => void {
    if (this.#closed) {
      listener.close();
      return () => undefined;
    }
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) {
      // Nobody listened: what happened meanwhile is nobody's news.
      this.#at = undefined;
      this.#later(0);
    } else if (this.#at !== undefined) {
      listener.changes([], this.#at);
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) clearTimeout(this.#timer);
    };
  }

  /** A page of what came after a place that a client brought. */
  since(after: Place, first: boolean): Promise<Answer> {
    return this.bus.ask(listChanges, { after, limit: LIMITS.changesPage, resumes: first });
  }

  async onModuleDestroy(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const listener of [...this.#listeners]) listener.close();
    this.#listeners.clear();
    await this.#polling;
  }

  #later(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#closed || this.#listeners.size === 0) return;
    this.#timer = setTimeout(() => { this.#polling ??= this.#poll().finally(() => { this.#polling = undefined; }); }, ms);
  }

  async #poll(): Promise<void> {
    let waitMs: number = LIMITS.changesPollMs;
    try {
      const before = this.#at;
      const answer = await this.bus.ask(listChanges, { after: before ?? null, limit: LIMITS.changesPage });
      // Everyone left and somebody came meanwhile: their beginning is another.
      if (before === this.#at) this.#tell(answer);
      if (answer.more) waitMs = 0;
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.logger.warn({ err: error }, 'what changed cannot be asked for now; listeners wait');
      this.#failing = true;
      waitMs = LIMITS.changesRetryMs;
    }
    // After this round has ended: a timer that rings earlier would find it running.
    setImmediate(() => this.#later(waitMs));
  }

  #tell({ changes, upTo, incarnation, gone }: Answer): void {
    const place: Place = { ...upTo, incarnation };
    this.#at = place;
    for (const listener of [...this.#listeners]) {
      if (gone) listener.reset(place);
      else listener.changes(changes, place);
    }
  }
}
