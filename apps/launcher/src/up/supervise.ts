import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, signal, waitUntilGone, type ProcessRef } from '../supervisor/process.js';
import { writeAtomically } from '../supervisor/spec.js';
import { repository, type Home } from './home.js';
import { until } from './progress.js';

const file = (home: Home): string => join(home.run, 'supervisor.json');

/** The supervisor of this home, if it runs. */
export function findSupervisor(home: Home): ProcessRef | undefined {
  try {
    const ref = JSON.parse(readFileSync(file(home), 'utf8')) as ProcessRef;
    return isAlive(ref) ? ref : undefined;
  } catch {
    return undefined;
  }
}

const finishedFile = (home: Home): string => join(home.run, 'up.json');

/** An `up` came to its end under this supervisor; one that was killed half way leaves a supervisor without it. */
export const noteFinished = (home: Home): void => writeAtomically(finishedFile(home), JSON.stringify(findSupervisor(home) ?? null));
export function isFinished(home: Home, supervisor: ProcessRef): boolean {
  try {
    const { pid, startTime } = JSON.parse(readFileSync(finishedFile(home), 'utf8')) as ProcessRef;
    return pid === supervisor.pid && startTime === supervisor.startTime;
  } catch {
    return false;
  }
}

/** Starts the supervisor in a session of its own; returns once it keeps the home. */
export async function startSupervisor(home: Home, path: string): Promise<ProcessRef> {
  const log = openSync(join(home.logs, 'supervisor.log'), 'a', 0o600);
  const child = spawn(process.execPath, ['--no-warnings', '--max-old-space-size=64', '--max-semi-space-size=1', join(repository, 'dist/apps/launcher/src/supervisor/main.js'), home.dir], {
    cwd: home.dir, env: { PATH: path, NODE_ENV: 'production' }, detached: true, stdio: ['ignore', log, log],
  });
  closeSync(log);
  child.unref();
  try {
    return await until('the supervisor did not start', `Look into ${join(home.logs, 'supervisor.log')}.`, 10_000, () => {
      const found = findSupervisor(home);
      return found?.pid === child.pid ? found : undefined;
    });
  } catch (error) {
    // It may be about to keep the home: nobody would stop it.
    child.kill('SIGTERM');
    throw error;
  }
}

/** Asks the supervisor to end its children (all: hosts too) and itself. */
export async function stopSupervisor(home: Home, all: boolean): Promise<void> {
  const ref = findSupervisor(home);
  if (!ref) return;
  signal(ref, all ? 'SIGUSR1' : 'SIGTERM', false);
  if (!(await waitUntilGone(ref, 90_000))) signal(ref, 'SIGKILL', false);
}

/** Tells it that children's files changed. */
export function pokeSupervisor(home: Home): void {
  const ref = findSupervisor(home);
  if (ref) signal(ref, 'SIGHUP', false);
}
