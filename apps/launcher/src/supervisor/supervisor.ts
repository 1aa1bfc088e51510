/**
 * Keeps the children running that `<home>/run/children/` asks for: starts, adopts, restarts with back-off.
 *
 * Owns: the children's processes and `<home>/run/state/`. Never touches what a child does. Level-triggered: if it is
 * killed at any line, the children go on (each has its own session) and the next supervisor adopts them by pid + start
 * time; a child started but not yet booked is found by its own guards (ports, sockets, one session per host).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { findMarked, markOf } from './marks.js';
import { endSession, isAlive, refOf, signal, waitUntilGone } from './process.js';
import { readSpecs, readStates, removeState, writeState, type ChildSpec, type ChildState } from './spec.js';

/** Milliseconds, with reasons. */
const LIMITS = {
  /** Adopted children cannot be waited for, only looked at. */
  lookMs: 200,
  backoffMinMs: 100,
  backoffMaxMs: 10_000,
  /** After this long alive a child's next failure counts as the first. */
  steadyMs: 20_000,
  /** A command that reports its daemon must end. */
  reportMs: 60_000,
} as const;

interface Kept { spec: ChildSpec; state: ChildState; failures: number; notBefore: number; aliveSince: number; starting: boolean; unsaved: boolean }

export class Supervisor {
  readonly #children = new Map<string, Kept>();
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #blind = false;

  /** @param beforeLook runs first each time; does not return when this process shall not keep the home any more. */
  constructor(private readonly home: string, private readonly log: (text: string) => void, private readonly beforeLook: () => void = () => undefined) {}

  start(): void {
    this.#look();
  }

  /** Reads the children's folder again now. */
  poke(): void {
    if (this.#stopping) return;
    clearTimeout(this.#timer);
    this.#look();
  }

  /** Ends the children in reverse order; those that outlive `down` stay unless `all`. */
  async stop(all: boolean): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const orders = [...new Set([...this.#children.values()].map((kept) => kept.spec.order))].sort((a, b) => b - a);
    for (const order of orders) {
      const group = [...this.#children.values()].filter((kept) => kept.spec.order === order && (all || !kept.spec.outlivesDown));
      await Promise.all(group.map((kept) => this.#end(kept)));
    }
  }

  /** What an earlier supervisor booked counts whenever the child is asked for: it may run still. */
  #keep(spec: ChildSpec): Kept {
    const state = readStates(this.home).find(({ name }) => name === spec.name);
    const kept: Kept = {
      spec, state: state ?? { name: spec.name, process: null, startedAt: null, restarts: 0, lastExit: null },
      failures: 0, notBefore: 0, aliveSince: Date.now(), starting: false, unsaved: false,
    };
    this.#children.set(spec.name, kept);
    if (spec.daemon === 'self' && !(kept.state.process && isAlive(kept.state.process))) {
      const marked = findMarked(this.home).get(spec.name);
      if (marked) this.#book(kept, { process: marked, startedAt: kept.state.startedAt ?? new Date().toISOString() });
    }
    if (kept.state.process && isAlive(kept.state.process)) this.log(`adopted ${spec.name} (pid ${kept.state.process.pid})`);
    return kept;
  }

  #look(): void {
    try {
      this.beforeLook();
      this.#lookAtAll();
      this.#blind = false;
    } catch (error) {
      // A folder that cannot be read (too many open files, a failing disk) says nothing about what shall run.
      if (!this.#blind) this.log(`what shall run cannot be read: ${String(error)}; nothing is changed until it can`);
      this.#blind = true;
    }
    if (!this.#stopping) this.#timer = setTimeout(() => this.#look(), LIMITS.lookMs);
  }

  #lookAtAll(): void {
    const specs = readSpecs(this.home);
    const wanted = new Set(specs.map((spec) => spec.name));
    for (const spec of specs) {
      const kept = this.#children.get(spec.name) ?? this.#keep(spec);
      kept.spec = spec;
      try {
        this.#tend(kept);
      } catch (error) {
        // The log cannot be opened, no process can be made: the others go on.
        kept.starting = false;
        this.log(`${spec.name} could not be started: ${String(error)}`);
        this.#failed(kept);
      }
    }
    for (const [name, kept] of this.#children) {
      if (wanted.has(name)) continue;
      this.#children.delete(name);
      void this.#end(kept).then(() => { if (!this.#children.has(name)) removeState(this.home, name); });
    }
  }

  #tend(kept: Kept): void {
    const { process: ref } = kept.state;
    if (kept.unsaved) this.#book(kept, {});
    if (kept.starting) return;
    if (ref && isAlive(ref)) {
      if (Date.now() - kept.aliveSince > LIMITS.steadyMs) kept.failures = 0;
      return;
    }
    if (ref) {
      this.#book(kept, { process: null, lastExit: kept.state.lastExit ?? 'gone', restarts: kept.state.restarts + 1 });
      // What is left of its session must not meet its successor.
      endSession(ref);
      this.log(`${kept.spec.name} (pid ${ref.pid}) ended: ${kept.state.lastExit ?? 'unknown'}; starting it again`);
      this.#failed(kept);
    }
    if (Date.now() >= kept.notBefore) this.#launch(kept);
  }

  #failed(kept: Kept): void {
    kept.failures += 1;
    kept.notBefore = Date.now() + (kept.failures <= 1 ? 0 : Math.min(LIMITS.backoffMinMs * 2 ** (kept.failures - 2), LIMITS.backoffMaxMs));
  }

  #launch(kept: Kept): void {
    const { spec } = kept;
    mkdirSync(dirname(spec.logFile), { recursive: true });
    const log = openSync(spec.logFile, 'a', 0o600);
    kept.starting = true;
    let child: ChildProcess;
    try {
      child = spawn(spec.command, spec.args, { cwd: spec.cwd, env: { ...spec.env, ...markOf(this.home, spec.name) }, detached: true, stdio: ['ignore', spec.daemon === 'reported' ? 'pipe' : log, log] });
    } finally {
      closeSync(log);
    }
    child.once('error', (error) => {
      kept.starting = false;
      this.#book(kept, { lastExit: error.message });
      this.#failed(kept);
    });
    if (child.pid === undefined) return;
    if (spec.daemon === 'reported') {
      this.#awaitReport(kept, child);
      return;
    }
    kept.aliveSince = Date.now();
    kept.starting = false;
    this.#book(kept, { process: refOf(child.pid) ?? null, startedAt: new Date().toISOString(), lastExit: null });
    child.once('exit', (code, name) => {
      kept.state.lastExit = name ?? `exit code ${code}`;
      if (!this.#stopping && this.#children.get(spec.name) === kept) this.#tend(kept);
    });
    child.unref();
  }

  #awaitReport(kept: Kept, child: ChildProcess): void {
    let output = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMITS.reportMs);
    child.stdout?.on('data', (chunk: Buffer) => { output = (output + chunk.toString()).slice(-8_192); });
    child.once('close', (code) => {
      clearTimeout(timer);
      kept.starting = false;
      try {
        if (code !== 0) throw new Error(`exit code ${code}`);
        const report = JSON.parse(output.trim().split('\n').at(-1) ?? '') as { pid: number };
        kept.aliveSince = Date.now();
        this.#book(kept, { process: refOf(report.pid) ?? null, startedAt: new Date().toISOString(), lastExit: null });
      } catch (error) {
        this.#book(kept, { lastExit: `did not start: ${error instanceof Error ? error.message : String(error)}` });
        this.#failed(kept);
      }
    });
  }

  async #end(kept: Kept): Promise<void> {
    const ref = kept.state.process;
    if (ref && isAlive(ref)) {
      signal(ref, kept.spec.stop.signal, false);
      if (!(await waitUntilGone(ref, kept.spec.stop.timeoutMs))) {
        this.log(`${kept.spec.name} did not end on ${kept.spec.stop.signal}; killed`);
        signal(ref, 'SIGKILL', true);
        await waitUntilGone(ref, 5_000);
      }
      endSession(ref);
    }
    // Asked for again meanwhile: its state is its successor's.
    if ((this.#children.get(kept.spec.name) ?? kept) === kept) this.#book(kept, { process: null, lastExit: 'stopped' });
  }

  #book(kept: Kept, change: Partial<ChildState>): void {
    Object.assign(kept.state, change);
    try {
      writeState(this.home, kept.state);
      kept.unsaved = false;
    } catch (error) {
      // A full disk: memory still knows; a supervisor that ended over it would leave nobody to start anything again.
      if (!kept.unsaved) this.log(`the state of ${kept.spec.name} cannot be written: ${String(error)}`);
      kept.unsaved = true;
    }
  }
}
