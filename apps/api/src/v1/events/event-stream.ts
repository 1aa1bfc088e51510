/**
 * One client's stream of server-sent events: what it missed, then what happens.
 *
 * Owns: the order of both (each change once, none twice), heartbeats, and cutting off who does not read. Never waits for a
 * client: what it does not take in time it asks for again with its Last-Event-ID.
 */
import type { ServerResponse } from 'node:http';
import type { Change } from '#libs/contracts';
import { LIMITS } from '../../limits.js';
import type { ChangeFeed, Listener } from './change-feed.js';
import { isAfter, placeText, type Place } from './place.js';

export interface StreamOptions {
  /** Which of the changes this client may see and wants. */
  wants(change: Change): boolean;
  /** Where it was; undefined: it begins now. */
  from: Place | undefined;
  /** The stream ends by then, with a hint to come back (a token ends, balancing). Milliseconds. */
  lifeMs: number;
  /** Asked every second: no more, once its token is revoked, or cannot be checked. Default: always. */
  mayGoOn?: () => boolean;
}

export class EventStream implements Listener {
  /** Everything up to there was written; undefined: not begun. */
  #told: Place | undefined;
  /** What came in while the missed was being read; undefined once it is live. */
  #waiting: Change[] | undefined = [];
  #waitingUpTo: Place | undefined;
  /** Where the live changes begin: what lies before it has to be read, or nobody tells it. */
  #liveFrom: Place | undefined;
  /** Goes on with who waits for `#liveFrom`. */
  #wake: () => void = () => undefined;
  #leave: () => void = () => undefined;
  #beat: NodeJS.Timeout | undefined;
  #end: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  #over = false;

  constructor(private readonly raw: ServerResponse, private readonly feed: ChangeFeed, private readonly options: StreamOptions) {}

  /** @param onOver called once, when the connection has ended. */
  start(onOver: () => void): void {
    this.raw.once('close', () => { this.#stop(); onOver(); });
    this.raw.on('error', () => undefined);
    this.#write(`: welcome\nretry: ${LIMITS.streamRetryMs}\n\n`);
    this.#beat = setInterval(() => this.#write(`: beat\n${this.#told === undefined ? '' : `id: ${placeText(this.#told)}\n`}\n`), LIMITS.streamBeatMs);
    this.#end = setTimeout(() => this.#cut('expired', 'The stream ends here; come back, with a fresh token if need be.'), this.options.lifeMs);
    const { mayGoOn } = this.options;
    if (mayGoOn !== undefined) this.#watch = setInterval(() => { if (!mayGoOn()) this.#cut('expired', 'The stream ends here; come back, with a fresh token if need be.'); }, LIMITS.streamWatchMs);
    if (this.options.from === undefined) this.#waiting = undefined;
    this.#leave = this.feed.listen(this);
    if (this.options.from !== undefined) void this.#catchUp(this.options.from);
  }

  changes(changes: readonly Change[], upTo: Place): void {
    if (this.#waiting !== undefined) {
      this.#waiting.push(...changes.filter((change) => this.options.wants(change)));
      this.#waitingUpTo = upTo;
      this.#liveFrom ??= upTo;
      this.#wake();
      if (this.#waiting.length > LIMITS.streamWaiting) this.#cut('slow', 'More changed than could be kept while you were told what you had missed.');
      return;
    }
    const first = this.#told === undefined;
    this.#deliver(changes, upTo);
    if (first) this.#event('ready', {});
  }

  reset(upTo: Place): void {
    this.#waiting = undefined;
    this.#told = upTo;
    this.#event('reset', { reason: 'What changed since then is not known any more. Look at everything anew.' });
  }

  close(): void { this.#cut('closing', 'The service is shutting down; come back.'); }

  async #catchUp(from: Place): Promise<void> {
    try {
      this.#told = from;
      for (let page = 0; !this.#over; page += 1) {
        const { changes, upTo, incarnation, more, gone } = await this.feed.since(this.#told, page === 0);
        if (this.#over || this.#waiting === undefined) return;
        if (gone || page >= LIMITS.streamPages) return this.reset(this.#waitingUpTo ?? { ...upTo, incarnation });
        this.#deliver(changes, { ...upTo, incarnation });
        if (!more && this.#meets()) break;
        if (!more) await this.#untilLive();
        // Whoever does not take a page does not get the next.
        if (this.raw.writableNeedDrain) await new Promise<void>((done) => { this.raw.once('drain', done); this.raw.once('close', done); });
      }
      const [waiting, upTo] = [this.#waiting ?? [], this.#waitingUpTo];
      this.#waiting = undefined;
      if (upTo !== undefined) this.#deliver(waiting, upTo);
      if (!this.#over) this.#event('ready', {});
    } catch {
      this.#cut('unavailable', 'What you missed cannot be read now; come back.');
    }
  }

  /** Has the reading come to where the live changes begin? */
  #meets(): boolean {
    return this.#told !== undefined && this.#liveFrom !== undefined && !isAfter(this.#liveFrom, this.#told);
  }

  /** Until the feed has said where it begins, or for a moment: the next page is to reach there. */
  async #untilLive(): Promise<void> {
    await new Promise<void>((done) => {
      const timer = setTimeout(done, this.#liveFrom === undefined ? LIMITS.changesRetryMs : LIMITS.changesPollMs);
      if (this.#liveFrom === undefined) this.#wake = () => { clearTimeout(timer); done(); };
    });
  }

  /** Those after what was told already: the missed and the new overlap. */
  #deliver(changes: readonly Change[], upTo: Place): void {
    const told = this.#told;
    if (told !== undefined && told.incarnation !== upTo.incarnation) return this.reset(upTo);
    for (const change of changes) {
      if (this.#over) return;
      if ((told !== undefined && !isAfter(change.position, told)) || !this.options.wants(change)) continue;
      const { position, ...what } = change;
      this.#told = { ...position, incarnation: upTo.incarnation };
      this.#event('change', what);
    }
    if (told === undefined || isAfter(upTo, this.#told ?? told)) this.#told = upTo;
  }

  #event(name: string, data: object): void {
    this.#write(`${this.#told === undefined ? '' : `id: ${placeText(this.#told)}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  #write(text: string): void {
    if (this.#over || this.raw.destroyed) return;
    this.raw.write(text);
    if (this.raw.writableLength > LIMITS.streamBufferBytes) this.#cut('slow', 'You read too slowly. Come back with the last id you have seen: nothing is lost.');
  }

  #cut(reason: string, message: string): void {
    if (this.#over) return;
    this.#stop();
    this.raw.end(`event: cut\ndata: ${JSON.stringify({ reason, message })}\n\n`);
    setTimeout(() => this.raw.destroy(), LIMITS.streamGoodbyeMs).unref();
  }

  #stop(): void {
    this.#over = true;
    this.#waiting = undefined;
    clearInterval(this.#beat);
    clearTimeout(this.#end);
    clearInterval(this.#watch);
    this.#wake();
    this.#leave();
  }
}
