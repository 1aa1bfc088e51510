/** The supervisor's process: `node supervisor/main.js HOME`. SIGTERM stops what `down` stops, SIGUSR1 stops all, SIGHUP looks again. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, refOf, type ProcessRef } from './process.js';
import { writeAtomically } from './spec.js';
import { Supervisor } from './supervisor.js';

const home = process.argv[2];
if (!home) {
  process.stderr.write('usage: supervisor HOME\n');
  process.exit(2);
}
const log = (text: string): void => { process.stdout.write(`${new Date().toISOString()} ${text}\n`); };

const file = join(home, 'run/supervisor.json');
/** The one that is written down keeps the home; of two that start at once the later writer does, and the other leaves its children to it. */
const yieldToOther = (): void => {
  const other = readRef(file);
  if (!other || other.pid === process.pid || !isAlive(other)) return;
  log(`another supervisor (pid ${other.pid}) keeps this home`);
  process.exit(1);
};
yieldToOther();
writeAtomically(file, JSON.stringify(refOf(process.pid)));

const supervisor = new Supervisor(home, log, yieldToOther);
supervisor.start();
log('supervisor started');

let ending = false;
const end = (all: boolean): void => {
  if (ending) return;
  ending = true;
  void supervisor.stop(all).then(() => { log('supervisor stopped'); process.exit(0); });
};
process.on('SIGTERM', () => end(false));
process.on('SIGINT', () => end(false));
process.on('SIGUSR1', () => end(true));
process.on('SIGHUP', () => supervisor.poke());

function readRef(path: string): ProcessRef | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessRef;
  } catch {
    return undefined;
  }
}
