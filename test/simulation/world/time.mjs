// Virtual time and the one seeded order of events. Whoever waits, waits here: timers, messages, statements, disks. Every
// event belongs to a process of the simulated cloud (or to nobody); a dead process's events are dropped, a frozen one's kept.
import { AsyncLocalStorage } from 'node:async_hooks';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

const RealDate = Date;
/** After everything that a task has set off: nothing here waits for anything real. */
const realTick = process.nextTick.bind(process);
export const EPOCH = RealDate.UTC(2030, 0, 1);
const who = new AsyncLocalStorage();

/** Small, fast, good enough: splitmix32. */
export function makeRandom(seed) {
  let state = seed | 0;
  const next = () => {
    state = (state + 0x9e3779b9) | 0;
    let t = state ^ (state >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return ((t ^ (t >>> 15)) >>> 0) / 4294967296;
  };
  return {
    next, chance: (p) => next() < p, between: (a, b) => a + next() * (b - a), int: (n) => Math.floor(next() * n), pick: (list) => list[Math.floor(next() * list.length)],
    /** Exponential, bounded: most are short, some are long. */
    delay: (mean, most) => Math.min(most, -Math.log(1 - next()) * mean),
    bytes: (n) => Buffer.from(Array.from({ length: n }, () => Math.floor(next() * 256))),
  };
}

export class Process {
  state = 'alive';
  kept = [];
  skewMs = 0;
  constructor(name, kind) { this.name = name; this.kind = kind; }
}

export class World {
  now = 0;
  events = 0;
  hash = crypto.createHash('sha256');
  #heap = [];
  #seq = 0;

  constructor(seed) {
    this.random = makeRandom(seed);
    /** Names of things come from a stream of their own, so that a name more does not change the weather. */
    this.names = makeRandom(seed ^ 0x5bd1e995);
  }

  get current() { return who.getStore(); }
  in(process, work) { return who.run(process, work); }
  trace(text) { this.hash.update(`${this.now.toFixed(3)} ${text}\n`); if (this.log) this.log(`${(this.now / 1000).toFixed(3)} ${text}`); }

  /** Runs `task` after `ms` for `process` (default: whoever asks). @returns how to cancel it */
  after(ms, task, process = this.current) {
    const event = { at: this.now + Math.max(0, ms), tie: this.random.next(), seq: this.#seq++, process, task, dead: false };
    this.#push(event);
    return () => { event.dead = true; };
  }

  kill(process) { process.state = 'dead'; process.kept = []; }
  freeze(process) { if (process.state === 'alive') process.state = 'frozen'; }
  thaw(process) {
    if (process.state !== 'frozen') return;
    process.state = 'alive';
    for (const event of process.kept.splice(0)) { event.at = this.now; this.#push(event); }
  }

  /** Until nothing is left, `until` has come, or `stop` says so. */
  async run(until, stop = () => false) {
    for (;;) {
      const event = this.#heap[0];
      if (event === undefined || event.at > until) { this.now = Math.max(this.now, until); return; }
      this.#pop();
      if (event.dead || event.process?.state === 'dead') continue;
      this.now = Math.max(this.now, event.at);
      if (event.process?.state === 'frozen') { event.process.kept.push(event); continue; }
      this.events += 1;
      const wait = who.run(event.process, event.task);
      if (wait !== undefined) await wait;
      await new Promise((resolve) => { realTick(resolve); });
      if (stop()) return;
    }
  }

  #less(a, b) { return a.at !== b.at ? a.at < b.at : a.tie !== b.tie ? a.tie < b.tie : a.seq < b.seq; }
  #push(event) {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!this.#less(event, heap[up])) break;
      heap[at] = heap[up];
      at = up;
    }
    heap[at] = event;
  }
  #pop() {
    const heap = this.#heap;
    const last = heap.pop();
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && this.#less(heap[down + 1], heap[down])) down += 1;
      if (!this.#less(heap[down], last)) break;
      heap[at] = heap[down];
      at = down;
    }
    heap[at] = last;
  }
}

let world;
export const currentWorld = () => world;
/** From now on every clock, timer and lot of this process is this world's. */
export function enter(next) { world = next; }

/** Once per operating system's process, after its real connections stand. */
export function takeOverClocks() {
  const timer = (cancel) => ({ cancel, ref() { return this; }, unref() { return this; }, hasRef: () => false, [Symbol.toPrimitive]: () => 0, [Symbol.dispose]() { cancel(); } });
  const clear = (one) => one?.cancel?.();
  globalThis.setTimeout = (task, ms = 0, ...args) => timer(world.after(Number(ms) || 0, () => { task(...args); }));
  globalThis.setInterval = (task, ms, ...args) => {
    let cancel;
    const again = () => { cancel = world.after(ms, () => { again(); task(...args); }); };
    again();
    return timer(() => cancel());
  };
  globalThis.setImmediate = (task, ...args) => timer(world.after(0, () => { task(...args); }));
  globalThis.clearTimeout = clear;
  globalThis.clearInterval = clear;
  globalThis.clearImmediate = clear;
  const wall = () => Math.floor(EPOCH + world.now + (world.current?.skewMs ?? 0));
  globalThis.Date = class Date extends RealDate {
    constructor(...args) { if (args.length === 0) super(wall()); else super(...args); }
    static now() { return wall(); }
  };
  Object.defineProperty(globalThis, 'performance', { configurable: true, value: { now: () => world.now } });
  AbortSignal.timeout = (ms) => {
    const aborter = new AbortController();
    world.after(ms, () => { aborter.abort(Object.assign(new Error('The operation was aborted due to timeout'), { name: 'TimeoutError' })); });
    return aborter.signal;
  };
  Math.random = () => world.random.next();
  crypto.randomBytes = (n) => world.names.bytes(n);
  crypto.randomUUID = () => uuid();
  syncBuiltinESMExports();
}

export function uuid() {
  const hex = world.names.bytes(16).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}
