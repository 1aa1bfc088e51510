import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One child that shall run: a file in `<home>/run/children/`. What is not there shall not run. */
export interface ChildSpec {
  name: string;
  /** Lower first at start, last at stop. */
  order: number;
  command: string;
  args: string[];
  cwd: string;
  /** The child's whole environment; never a secret. */
  env: Record<string, string>;
  logFile: string;
  stop: { signal: NodeJS.Signals; timeoutMs: number };
  /**
   * `self`: the command is the child. `reported`: the command starts a daemon of its own and prints its
   * `{"pid", "startTime"}` as JSON on the last line (a compute host's init); it is idempotent.
   */
  daemon: 'self' | 'reported';
  /** `down` leaves it running (guests and their libvirtd), `down --purge` does not. */
  outlivesDown: boolean;
}

/** What the supervisor knows of a child: a file in `<home>/run/state/`. */
export interface ChildState {
  name: string;
  process: { pid: number; startTime: string; bootId: string } | null;
  startedAt: string | null;
  restarts: number;
  lastExit: string | null;
}

const childrenDir = (home: string): string => join(home, 'run/children');
const stateDir = (home: string): string => join(home, 'run/state');

export function writeAtomically(path: string, text: string, mode = 0o600): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode });
  renameSync(temporary, path);
}

/** Throws when any of them cannot be read, unless told otherwise: what is not known to be unwanted must not be ended. */
export function readSpecs(home: string, unreadable: (error: unknown) => void = (error) => { throw error; }): ChildSpec[] {
  return readJsonDir<ChildSpec>(childrenDir(home), unreadable).sort((a, b) => a.order - b.order || a.name.localeCompare(b.name));
}

export function writeSpec(home: string, spec: ChildSpec): void {
  mkdirSync(childrenDir(home), { recursive: true });
  writeAtomically(join(childrenDir(home), `${spec.name}.json`), JSON.stringify(spec, null, 1));
}

export const removeSpec = (home: string, name: string): void => rmSync(join(childrenDir(home), `${name}.json`), { force: true });

export function readStates(home: string): ChildState[] {
  return readJsonDir<ChildState>(stateDir(home), leaveOut);
}

export function writeState(home: string, state: ChildState): void {
  mkdirSync(stateDir(home), { recursive: true });
  writeAtomically(join(stateDir(home), `${state.name}.json`), JSON.stringify(state));
}

export const removeState = (home: string, name: string): void => rmSync(join(stateDir(home), `${name}.json`), { force: true });

export const leaveOut = (): void => undefined;

/** Files that vanish meanwhile are left out; reading makes no folder. */
function readJsonDir<T>(dir: string, unreadable: (error: unknown) => void): T[] {
  return namesIn(dir).filter((name) => name.endsWith('.json')).flatMap((name) => {
    try {
      return [JSON.parse(readFileSync(join(dir, name), 'utf8')) as T];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') unreadable(error);
      return [];
    }
  });
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
