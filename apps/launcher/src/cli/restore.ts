/** After a database was restored: says so to it, and adopts hosts. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError, LauncherSecrets } from '#libs/config';
import type { AdoptionView } from '#libs/contracts';
import { raiseIncarnation } from '#libs/db';
import { prepareEmbeddedPostgres } from '#libs/embedded-postgres';
import type { ApiClient } from '../client.js';
import { runDirOf, type Home, type Settings } from '../up/home.js';
import { lockHome } from '../up/lock.js';
import { UpError } from '../up/progress.js';
import { findSupervisor } from '../up/supervise.js';
import { table } from './table.js';

/** A database that was not shut down replays its log first. */
const DATABASE_READY_MS = 60_000;

/** As the database's owner: the control plane may run or not. The embedded database, which is down with it, is run for this alone. */
export async function restored(home: Home, settings: Settings, path: string): Promise<number> {
  const { databaseUrl } = LauncherSecrets.pick({ databaseUrl: true }).parse(JSON.parse(readFileSync(home.secretsFile, 'utf8')));
  const incarnation = await raiseIncarnation(databaseUrl).catch((error: unknown) => {
    if (!isDown(error) || findSupervisor(home)) throw error;
    return withDatabase(home, settings, path, () => raiseIncarnation(databaseUrl));
  });
  process.stdout.write(`The database is in incarnation ${incarnation} now: hosts only report and take no new servers until they are adopted.\nWhen the control plane runs and hosts have reported: skylite adopt\n`);
  return 0;
}

const isDown = (error: unknown): boolean => ['ECONNREFUSED', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '');

/** Runs the embedded PostgreSQL of this home while nothing else does. */
async function withDatabase<T>(home: Home, settings: Settings, path: string, work: () => Promise<T>): Promise<T> {
  const unlock = lockHome(home);
  try {
    const { command, args } = await prepareEmbeddedPostgres({ dataDir: join(home.dir, 'postgres'), runDir: join(runDirOf(settings), 'pg'), password: readFileSync(join(home.secretsDir, 'postgres-superuser'), 'utf8') });
    const logFile = join(home.logs, 'postgres.log');
    const log = openSync(logFile, 'a', 0o600);
    const server = spawn(command, args, { stdio: ['ignore', log, log], env: { PATH: path } });
    closeSync(log);
    const ended = new Promise<void>((done) => { server.once('close', () => done()).once('error', () => done()); });
    try {
      for (const end = Date.now() + DATABASE_READY_MS; ;) {
        try {
          return await work();
        } catch (error) {
          // 57P03: it starts up still, which may mean that it recovers.
          if (server.exitCode !== null || server.signalCode !== null) throw new UpError('the database does not start.', `Look into ${logFile}; a restored folder must belong to the user that the old one belonged to.`);
          if (!(isDown(error) || (error as { code?: string }).code === '57P03') || Date.now() > end) throw error;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    } finally {
      server.kill('SIGINT');
      await ended;
    }
  } finally {
    unlock();
  }
}

export async function adopt(api: ApiClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { confirm: { type: 'string' } } });
  if (values.confirm === undefined) {
    const { adoption } = await api.call<{ adoption: AdoptionView }>('GET', '/v1/adoption');
    show(adoption);
    if (adoption.hosts.some(({ adopted }) => !adopted)) process.stdout.write('\nNothing was changed. To let the database follow its hosts: skylite adopt [HOST…] --confirm "why this database is the right one"\n');
    return 0;
  }
  if (values.confirm.trim().length < 3) throw new ConfigError('--confirm "…" is recorded: say why this database is the right one to go on with.');
  const waiting = ({ hosts }: AdoptionView): number => hosts.filter(({ name, adopted, problem }) => !adopted && problem === null && (positionals.length === 0 || positionals.includes(name))).length;
  const ask = async (): Promise<AdoptionView> => (await api.call<{ adoption: AdoptionView }>('POST', '/v1/adoption', { statement: values.confirm, ...(positionals.length > 0 && { hosts: positionals }) })).adoption;
  let adoption = await ask();
  // One question adopts as many as there is time for.
  for (let left = waiting(adoption), before = Infinity; left > 0 && left < before; before = left, left = waiting(adoption)) adoption = await ask();
  show(adoption);
  return adoption.hosts.every(({ adopted }) => adopted) ? 0 : 1;
}

function show({ incarnation, hosts }: AdoptionView): void {
  process.stdout.write(`incarnation ${incarnation}\n\n${table(['HOST', 'ADOPTED', 'FINDINGS'], hosts.map(({ name, adopted, problem, findings }) => [name, adopted ? 'yes' : 'no', problem ?? counts(findings)]))}\n`);
  const rows = hosts.flatMap(({ name, findings }) => findings.filter(({ finding }) => finding !== 'agrees').map((found) => [name, found.finding, found.name, found.detail, found.instanceId]));
  if (rows.length > 0) process.stdout.write(`\n${table(['HOST', 'FINDING', 'SERVER', 'WHAT', 'ID'], rows)}\n`);
}

function counts(findings: AdoptionView['hosts'][number]['findings']): string {
  const by = new Map<string, number>();
  for (const { finding } of findings) by.set(finding, (by.get(finding) ?? 0) + 1);
  return [...by].map(([finding, n]) => `${n} ${finding}`).join(', ') || 'none';
}
