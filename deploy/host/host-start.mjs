/**
 * host-start.mjs HOST_DIR RUN_DIR NAME UUID [--virt-type kvm|qemu]
 *
 * Starts a compute host: its own libvirtd and virtlogd under a reaping init, in private mount, uts, ipc, pid and cgroup
 * namespaces, with its own configuration; the machine's /etc is not edited. HOST_DIR keeps what outlives a power loss
 * (definitions, disks, logs), RUN_DIR what does not (sockets); the path of libvirt's socket must stay within 107 bytes.
 * Returns once libvirtd answers. If the host runs already, nothing is done. Either way it prints host.json, see HostState.
 * Killed half way, it leaves an init without host.json, which nobody uses: the next start finds it by the pid in RUN_DIR or
 * by its control group, and ends it before it begins.
 */
import { spawn } from 'node:child_process';
import { access, chmod, mkdir, readFile, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { withFileLock } from '../images/lib/file-lock.mjs';
import { HostError, isAlive, kill, libvirtAnswers, readState, runCommand, sleep, startTimeOf, writeState } from './lib/host-state.mjs';
import { clearLeftovers } from './lib/leftovers.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const SOCKET = 'libvirt-sock';
const SOCKET_PATH_MAX = 107;
const READY_DEADLINE_MS = 60_000;
const ANSWER_TIMEOUT_MS = 5000;
const POLL_MS = 25;
const LOG_MAX_BYTES = 1024 * 1024;
const NEEDED = {
  '/usr/sbin/libvirtd': 'libvirt-daemon-system',
  '/usr/sbin/virtlogd': 'libvirt-daemon-system',
  '/etc/libvirt': 'libvirt-daemon-system',
  '/usr/bin/qemu-system-x86_64': 'qemu-system-x86',
};

await runCommand(async () => {
  const wanted = readArguments();
  await demandMachine();
  await mkdir(wanted.hostDir, { recursive: true });
  const state = await withFileLock(join(wanted.hostDir, '.lock'), () => ensureRunning(wanted));
  process.stdout.write(`${JSON.stringify(state)}\n`);
});

function readArguments() {
  const usage = 'usage: host-start.mjs HOST_DIR RUN_DIR NAME UUID [--virt-type kvm|qemu]';
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { 'virt-type': { type: 'string', default: 'qemu' } } });
  if (positionals.length !== 4) throw new HostError(usage);
  const [hostDir, runDir, name, uuid] = positionals;
  const wanted = { hostDir: resolve(hostDir), runDir: resolve(runDir), name, uuid, virtType: values['virt-type'] };
  if (!['kvm', 'qemu'].includes(wanted.virtType)) throw new HostError(`virt type ${wanted.virtType} is neither kvm nor qemu`);
  if (!/^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$/.test(name)) throw new HostError(`${name} is no hostname: a-z, 0-9 and inner dashes, at most 64`);
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) throw new HostError(`${uuid} is no UUID in lower case`);
  const length = Buffer.byteLength(join(wanted.runDir, `${SOCKET}-admin`));
  if (length > SOCKET_PATH_MAX) throw new HostError(`${wanted.runDir} makes a socket path of ${length} bytes, more than ${SOCKET_PATH_MAX}: name a shorter folder`);
  return wanted;
}

async function demandMachine() {
  if (process.getuid() !== 0) throw new HostError('namespaces and libvirt need root: run it with sudo');
  for (const [path, debianPackage] of Object.entries(NEEDED)) {
    await access(path).catch(() => {
      throw new HostError(`${path} is missing: apt-get install --no-install-recommends ${debianPackage}`);
    });
  }
}

async function ensureRunning(wanted) {
  const known = await readState(wanted.hostDir);
  if (await isAlive(known)) {
    demandSame(known, wanted);
    await untilAnswers(known, wanted.hostDir);
    return known;
  }
  await endUnrecorded(wanted.runDir);
  await clearLeftovers(wanted.hostDir, known?.runDir ?? wanted.runDir);
  await prepareFolders(wanted);
  const pid = await launch(wanted);
  try {
    const state = await describe(wanted, pid);
    await untilAnswers(state, wanted.hostDir);
    await writeState(wanted.hostDir, state);
    return state;
  } catch (error) {
    kill(pid);
    await clearLeftovers(wanted.hostDir, wanted.runDir).catch(() => {});
    throw error;
  }
}

function demandSame(known, wanted) {
  for (const field of ['name', 'uuid', 'runDir', 'virtType']) {
    if (known[field] !== wanted[field]) {
      throw new HostError(`the host in ${wanted.hostDir} runs with ${field} ${known[field]}, not ${wanted[field]}: stop it first`);
    }
  }
}

/** An init whose starter was killed before host.json was written: half a host, which nobody uses yet. */
async function endUnrecorded(runDir) {
  const text = await readFile(join(runDir, '.skylite-host'), 'utf8').catch(() => '');
  const [pid, startTime] = text.trim().split(' ');
  if (pid && startTime && (await startTimeOf(pid)) === startTime) kill(Number(pid));
}

async function prepareFolders({ hostDir, runDir, uuid }) {
  const etc = join(hostDir, 'etc/libvirt');
  for (const folder of ['lib/skylite', 'cache', 'log/libvirt']) await mkdir(join(hostDir, folder), { recursive: true });
  await mkdir(etc, { recursive: true });
  // Reachable for the unprivileged user that QEMU runs as, whatever the umask; what is secret has its own mode.
  for (const folder of ['lib', 'lib/skylite', 'cache', 'log/libvirt']) await chmod(join(hostDir, folder), 0o755);
  for (const name of await readdir(join(HERE, 'etc'))) {
    const text = await readFile(join(HERE, 'etc', name), 'utf8');
    await writeFile(join(etc, name), text.replaceAll('@UUID@', uuid));
  }
  // The client's configuration must be empty to the last byte: a lone newline is a syntax error to libvirt.
  await writeFile(join(etc, 'libvirt.conf'), '');
  await mkdir(runDir, { recursive: true, mode: 0o755 });
  await chmod(runDir, 0o755);
  await writeFile(join(runDir, '.skylite-host'), '');
  await rotate(join(hostDir, 'log/host-init.log'));
}

async function rotate(log) {
  const found = await stat(log).catch(() => null);
  if (found && found.size > LOG_MAX_BYTES) await rename(log, `${log}.1`);
}

/** @returns {Promise<number>} the pid of the host's init, as seen from here */
function launch({ hostDir, runDir, name, uuid, virtType }) {
  return new Promise((done, fail) => {
    const launcher = spawn(join(HERE, 'host-launch.sh'), [], {
      detached: true,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOST_DIR: hostDir, RUN_DIR: runDir, HOST_NAME: name, HOST_UUID: uuid, VIRT_TYPE: virtType },
    });
    let out = '';
    let err = '';
    launcher.stdout.on('data', (chunk) => (out += chunk));
    launcher.stderr.on('data', (chunk) => (err += chunk));
    launcher.once('error', (error) => fail(new HostError(`host-launch.sh cannot be started (${error.code})`)));
    launcher.once('close', (code) => {
      const pid = Number(out.trim());
      if (code === 0 && pid > 1) done(pid);
      else fail(new HostError(`namespaces cannot be made: ${err.trim().split('\n').at(-1) || `exit ${code}`}`));
    });
  });
}

async function describe({ hostDir, runDir, name, uuid, virtType }, pid) {
  const startTime = await startTimeOf(pid);
  if (startTime === null) throw await died(hostDir);
  await writeFile(join(runDir, '.skylite-host'), `${pid} ${startTime}\n`);
  const state = {
    ...{ name, uuid, pid, startTime, bootId: '', socket: join(runDir, SOCKET), runDir, virtType },
    data: { outside: join(hostDir, 'lib/skylite'), inside: '/var/lib/libvirt/skylite' },
  };
  return state;
}

async function untilAnswers(state, hostDir) {
  const until = Date.now() + READY_DEADLINE_MS;
  while (!(await libvirtAnswers(state.socket, ANSWER_TIMEOUT_MS))) {
    if (!(await isAlive(state))) throw await died(hostDir);
    if (Date.now() > until) throw new HostError(`libvirtd did not answer within ${READY_DEADLINE_MS / 1000} s: see ${join(hostDir, 'log/host-init.log')}`);
    await sleep(POLL_MS);
  }
  state.bootId = (await readFile(join(state.runDir, 'boot-id'), 'utf8')).trim();
}

async function died(hostDir) {
  const log = join(hostDir, 'log/host-init.log');
  const last = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').at(-1);
  return new HostError(`the host's init ended at once: ${last || 'it said nothing'} (${log})`);
}
