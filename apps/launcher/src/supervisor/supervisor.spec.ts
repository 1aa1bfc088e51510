import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { endSession, isAlive, refOf, type ProcessRef } from './process.js';
import { readStates, removeSpec, writeSpec, writeState, type ChildSpec } from './spec.js';
import { Supervisor } from './supervisor.js';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const until = async (test: () => boolean): Promise<void> => { for (let i = 0; i < 3_000 && !test(); i += 1) await pause(10); };

describe('the supervisor', () => {
  let home: string;
  let supervisor: Supervisor;
  const strangers: ChildProcess[] = [];
  const log: string[] = [];

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'skylite-supervisor-'));
    log.length = 0;
    supervisor = new Supervisor(home, (text) => log.push(text));
  });
  afterEach(async () => {
    await supervisor.stop(true);
    for (const child of strangers.splice(0)) child.kill('SIGKILL');
    rmSync(home, { recursive: true, force: true });
  });

  const sleeper = (name: string): ChildSpec => ({
    name, order: 1, command: '/bin/sleep', args: ['300'], cwd: home, env: {}, logFile: join(home, `${name}.log`),
    stop: { signal: 'SIGTERM', timeoutMs: 20_000 }, daemon: 'self', outlivesDown: false,
  });
  /** A process in a session of its own, as a child of an earlier supervisor is. */
  const begin = async (): Promise<ProcessRef> => {
    const child = spawn('/bin/sleep', ['300'], { detached: true, stdio: 'ignore' });
    strangers.push(child);
    await until(() => refOf(child.pid as number) !== undefined);
    return refOf(child.pid as number) as ProcessRef;
  };
  const book = (name: string, process: ProcessRef): void => writeState(home, { name, process, startedAt: null, restarts: 0, lastExit: null });
  const processOf = (name: string): ProcessRef | null | undefined => readStates(home).find((state) => state.name === name)?.process;

  it('leaves processes alone that only have the number of a child of an earlier boot', async () => {
    const stranger = await begin();
    book('a', { ...stranger, bootId: '00000000-0000-0000-0000-000000000000' });
    writeSpec(home, sleeper('a'));
    supervisor.start();
    await until(() => processOf('a')?.pid !== stranger.pid);
    await pause(30);
    expect(isAlive(stranger)).toBe(true);
  });

  it('leaves processes alone whose number was a child\'s before', async () => {
    const stranger = await begin();
    book('a', { ...stranger, startTime: '1' });
    writeSpec(home, sleeper('a'));
    supervisor.start();
    await until(() => processOf('a')?.pid !== stranger.pid);
    await pause(30);
    expect(isAlive(stranger)).toBe(true);
  });

  it('ends what a dead child left in its session', async () => {
    const shell = spawn('/bin/sh', ['-c', 'sleep 300 & echo $!; wait'], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    strangers.push(shell);
    const pid = await new Promise<number>((resolve) => shell.stdout?.once('data', (text: Buffer) => resolve(Number(text.toString()))));
    const [leader, left] = [refOf(shell.pid as number) as ProcessRef, refOf(pid) as ProcessRef];
    const gone = new Promise((resolve) => shell.once('exit', resolve));
    process.kill(leader.pid, 'SIGKILL');
    await gone;
    expect(isAlive(left)).toBe(true);
    endSession(leader);
    await until(() => !isAlive(left));
    expect(isAlive(left)).toBe(false);
  });

  it('adopts a child that runs already, also one that is asked for only later', async () => {
    const [early, late] = [await begin(), await begin()];
    book('early', early);
    book('late', late);
    writeSpec(home, sleeper('early'));
    supervisor.start();
    writeSpec(home, sleeper('late'));
    supervisor.poke();
    await pause(30);
    expect([processOf('early'), processOf('late')]).toEqual([early, late]);
    await supervisor.stop(true);
    expect([isAlive(early), isAlive(late)]).toEqual([false, false]);
  });

  it('adopts a child whose state was lost, and starts no second one', async () => {
    writeSpec(home, sleeper('a'));
    supervisor.start();
    await until(() => processOf('a') !== undefined);
    const child = processOf('a') as ProcessRef;
    rmSync(join(home, 'run/state/a.json'));
    const next = new Supervisor(home, (text) => log.push(text));
    next.start();
    await until(() => processOf('a') !== undefined);
    expect(processOf('a')).toEqual(child);
    await next.stop(true);
    expect(isAlive(child)).toBe(false);
  });

  it('does not end a child whose file it cannot read just now, and goes on after a state it could not write', async () => {
    writeSpec(home, sleeper('a'));
    supervisor.start();
    await until(() => Boolean(processOf('a')));
    const child = processOf('a') as ProcessRef;
    const file = join(home, 'run/children/a.json');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.slice(0, 20));
    supervisor.poke();
    await pause(250);
    expect(isAlive(child)).toBe(true);
    writeFileSync(file, text);
    // No state can be written below a file.
    rmSync(join(home, 'run/state'), { recursive: true });
    writeFileSync(join(home, 'run/state'), '');
    process.kill(child.pid, 'SIGKILL');
    await until(() => log.some((line) => line.includes('cannot be written')));
    rmSync(join(home, 'run/state'));
    mkdirSync(join(home, 'run/state'));
    // What could not be written is written as soon as it can be, so that the next supervisor finds the child.
    await until(() => Boolean(processOf('a')));
    expect(isAlive(processOf('a') as ProcessRef)).toBe(true);
  });

  it('ends a child that is not asked for any more', async () => {
    writeSpec(home, sleeper('a'));
    supervisor.start();
    await until(() => Boolean(processOf('a')));
    const child = processOf('a') as ProcessRef;
    removeSpec(home, 'a');
    await until(() => !isAlive(child));
    expect(isAlive(child)).toBe(false);
  });
});
