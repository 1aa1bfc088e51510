// A real libvirtd of one's own: private mount and PID namespaces with a reaping init, own configuration and state in a
// scratch folder. The machine's /etc, /run and /var are never written. Stopping it kills its init, and with that every
// guest, daemon and mount. Needs root, libvirtd and QEMU.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface PrivateLibvirtd {
  /** Reachable from outside the namespaces. */
  readonly socketPath: string;
  readonly folder: string;
  /** Ends libvirtd alone with SIGKILL and waits until init has started a new one. Guests go on. */
  restartDaemon(): Promise<void>;
  /** Stops and continues the daemon without ending it (SIGSTOP, SIGCONT). */
  freezeDaemon(frozen: boolean): void;
  /** Everything ends, as in a power loss; the scratch folder goes too. */
  stop(): Promise<void>;
}

/** Folders bind-mounted over the machine's inside the namespace: [inside, in the scratch folder]. */
const MOUNTS = [
  ['/etc/libvirt', 'etc'],
  ['/run/libvirt', 'run'],
  ['/var/lib/libvirt', 'lib'],
  ['/var/cache/libvirt', 'cache'],
  ['/var/log/libvirt', 'log'],
] as const;

// PID 1 of the namespace. dash reaps whatever is re-parented to it while it waits: QEMU daemonises, and libvirt takes a
// zombie for a living guest. A libvirtd that dies is started again; the pid file tells tests which one is alive.
const INIT = `
set -u
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/libvirt /run/lock
${MOUNTS.map(([inside, outside]) => `mount --bind "$1/${outside}" ${inside}`).join('\n')}
mkdir -p /var/lib/libvirt/qemu /var/lib/libvirt/images
/usr/sbin/virtlogd &
while :; do
  /usr/sbin/libvirtd --timeout 0 &
  echo $! > "$1/libvirtd.pid"
  wait $!
  echo "libvirtd ended with $?"
done
`;

function configure(folder: string): void {
  for (const [, outside] of MOUNTS) mkdirSync(join(folder, outside));
  mkdirSync(join(folder, 'etc/qemu'));
  writeFileSync(
    join(folder, 'etc/libvirtd.conf'),
    [`host_uuid = "${randomUUID()}"`, 'auth_unix_rw = "none"', 'auth_unix_ro = "none"', 'unix_sock_rw_perms = "0700"', ''].join('\n'),
  );
  // QEMU as root: as another user it could not open /dev/kvm, and libvirt would probe it anew at every look (44 s a start).
  writeFileSync(
    join(folder, 'etc/qemu.conf'),
    ['user = "root"', 'group = "root"', 'security_driver = "none"', 'cgroup_controllers = [ ]', 'namespaces = [ ]', ''].join('\n'),
  );
  writeFileSync(join(folder, 'etc/libvirt.conf'), ''); // a file with an empty line is a syntax error
}

/** The outside pid of a namespace's process, from its inside pid: the child of `init` whose NSpid ends in it. */
function outsidePid(init: number, inside: number): number {
  const children = readFileSync(`/proc/${init}/task/${init}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
  for (const child of children) {
    const nspid = /^NSpid:\s*(.*)$/m.exec(readFileSync(`/proc/${child}/status`, 'utf8'))?.[1]?.split(/\s+/).map(Number);
    if (nspid?.at(-1) === inside) return child;
  }
  throw new Error(`no process ${inside} under ${init}`);
}

async function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function until(what: string, ms: number, test: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + ms; !(await test()); await sleep(20)) if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms`);
}

/** Starts one. @throws Error with the daemon's own words when it does not come up within 90 s */
export async function startPrivateLibvirtd(): Promise<PrivateLibvirtd> {
  const folder = mkdtempSync(join(tmpdir(), 'sky-lv-')); // short: a socket path has 107 bytes
  configure(folder);
  const socketPath = join(folder, 'run/libvirt-sock');
  const log = join(folder, 'daemon.log');
  const output = openSync(log, 'w');
  // unshare itself is only the parent of PID 1. Its death is the namespace's end (--kill-child), and ours is its (pdeathsig):
  // a test run that is killed leaves nothing but a folder.
  const child: ChildProcess = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private', 'dash', '-c', INIT, 'init', folder],
    { stdio: ['ignore', output, output] },
  );
  closeSync(output);
  let ended = false;
  const gone = new Promise<void>((resolve) => child.once('exit', () => ((ended = true), resolve())));

  const daemonPid = (): number => {
    const init = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(/\s+/)[0]);
    return outsidePid(init, Number(readFileSync(join(folder, 'libvirtd.pid'), 'utf8')));
  };
  const stop = async (): Promise<void> => {
    if (!ended) child.kill('SIGKILL');
    await gone;
    // The last mounts and processes of the namespace go a moment after its init.
    for (let attempt = 0; ; attempt++) {
      try {
        rmSync(folder, { recursive: true, force: true });
        return;
      } catch (error) {
        if (attempt >= 50) throw error;
        await sleep(50);
      }
    }
  };
  try {
    await until('libvirtd', 90_000, () => {
      if (ended) throw new Error('the namespace ended');
      return answers(socketPath);
    });
  } catch (error) {
    const said = readFileSync(log, 'utf8').trim().split('\n').slice(-8).join('\n');
    await stop();
    throw new Error(`no private libvirtd: ${(error as Error).message}\n${said}`, { cause: error });
  }
  return {
    socketPath,
    folder,
    stop,
    freezeDaemon: (frozen) => void process.kill(daemonPid(), frozen ? 'SIGSTOP' : 'SIGCONT'),
    restartDaemon: async () => {
      const old = daemonPid();
      process.kill(old, 'SIGKILL');
      await until('a new libvirtd', 90_000, async () => {
        try {
          return daemonPid() !== old && (await answers(socketPath));
        } catch {
          return false;
        }
      });
    },
  };
}
