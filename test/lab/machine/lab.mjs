/**
 * One emulated host: booted once for a snapshot of its memory and disk (warm), then restored from it within seconds, as often as
 * tests like. Owns its QEMU (which dies with this process, whatever ends it), a scratch folder, and the one lock that keeps labs
 * of this machine from running side by side; the cache is only added to. What happens in a restored lab is forgotten.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withFileLock } from '../../../deploy/images/lib/file-lock.mjs';
import { progress, run } from '../../../deploy/images/lib/report.mjs';
import { cacheFolder, rootfsTool } from '../recipe/base.mjs';
import { builtHost } from '../recipe/build.mjs';
import { order } from './door.mjs';
import { Monitor } from './qmp.mjs';
import { abandoned, removeFolder, scratchFolder } from './scratch.mjs';
import { attachedWords, kernelCommandLine, machineWords, OUTSIDE, WARM } from './topology.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
/** Under load a boot takes half a minute; nothing good comes after five. */
const BOOT_MS = 300_000;
const RESTORE_MS = 60_000;
const SAVE_MS = 120_000;
/** What a first run of our Node takes in a lab on a quiet machine, way in and out included. */
const QUIET_MS = 500;
const PATIENCE_MOST = 10;
const USUAL_SECONDS = 60;
/** However busy the machine is, a host that is alive runs a program within this. */
const ALIVE_SECONDS = 90;
const SCRATCH = 'skylite-lab';
const DEFINED_STATES = ['prelaunch', 'paused', 'postmigrate', 'running'];
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** Runs `work` while no other lab of this machine runs. */
export const withLabLock = (work) => withFileLock(join(cacheFolder(), '.running'), work, () => progress('another lab runs on this machine; waiting for it'));

export class Lab {
  #host;
  #folder;
  #port;
  #process;
  #monitor;
  #exited;

  /**
   * A running lab, from the snapshot; built, booted and snapshotted first where that has not been done.
   * @param {{ outside?: number[] }} [options] ports of this machine's loopback that programs in the lab reach on their own loopback
   */
  static async restored({ outside = [] } = {}) {
    const host = await builtHost();
    const snapshot = await Lab.#snapshot(host);
    const started = Date.now();
    const lab = new Lab(host);
    try {
      await lab.#start({ base: join(snapshot, 'disk.qcow2'), format: 'qcow2', outside, words: ['-incoming', `file:${join(snapshot, 'memory')}`] });
      await lab.#until(RESTORE_MS, async () => {
        const { status } = await lab.#monitor.order('query-status');
        if (status !== 'running' && DEFINED_STATES.includes(status)) await lab.#monitor.order('cont');
        return status === 'running';
      }, 30);
      await lab.#opened(RESTORE_MS, outside);
    } catch (error) {
      await lab.down();
      throw error;
    }
    lab.readyInMs = Date.now() - started;
    return lab;
  }

  /**
   * A running lab with another IOMMU, for which there is no snapshot: booted.
   * @param {{ iommu: 'none' | 'virtio', outside?: number[] }} options as restored
   */
  static async booted({ iommu, outside = [] }) {
    const started = Date.now();
    const host = await builtHost();
    const lab = new Lab(host);
    try {
      await lab.#start({ base: host.disk, format: 'raw', outside, iommu, words: kernelWords(host, iommu) });
      await lab.#opened(BOOT_MS, outside);
      await lab.run(WARM, { seconds: 240 });
    } catch (error) {
      await lab.down();
      throw error;
    }
    lab.readyInMs = Date.now() - started;
    return lab;
  }

  async #opened(ms, outside) {
    await this.#untilAnswers(ms);
    await this.#weigh();
    await this.run(`date -s @${(Date.now() / 1000).toFixed(3)} >/dev/null\nip route replace default via 10.0.2.2\n${outside.map((port) => `socat TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr,fork TCP:${OUTSIDE}:${port} >/dev/null 2>&1 </dev/null &`).join('\n')}`);
  }

  /** Removes what a run that was killed left behind; its QEMU died with it. */
  static async sweep() { for (const folder of abandoned(tmpdir(), SCRATCH)) await removeFolder(folder); }

  /** Builds and snapshots, where that has not been done. */
  static async ready() { await Lab.#snapshot(await builtHost()); }

  static async #snapshot(host) {
    const hash = createHash('sha256').update(await readFile(join(HERE, 'topology.mjs')));
    const folder = join(host.folder, `snapshot-${hash.digest('hex').slice(0, 12)}`);
    if (existsSync(folder)) return folder;
    progress('the lab: first boot');
    const lab = new Lab(host);
    try {
      await lab.#start({ base: host.disk, format: 'raw', outside: [], words: kernelWords(host) });
      await lab.#untilAnswers(BOOT_MS);
      progress('the lab: warming up');
      await lab.run(WARM, { seconds: 240 });
      progress('the lab: snapshot');
      await lab.#save(folder);
    } finally {
      await lab.down();
    }
    progress('the lab: ready to be restored');
    return folder;
  }

  constructor(host) { this.#host = host; }

  /** The host's folder in the cache, with the guest image. */
  get host() { return this.#host; }
  get port() { return this.#port; }
  get pid() { return this.#process?.pid; }

  /**
   * How many times slower than on a quiet machine everything in here is (1 to 10). Deadlines of cases are meant for a quiet one, and are
   * multiplied by it: a busy machine makes the lab slow, and not wrong.
   */
  patience = 1;

  async #weigh() {
    const started = performance.now();
    await this.run('/usr/lib/skylite/node -e 0');
    this.patience = Math.min(PATIENCE_MOST, Math.max(1, (performance.now() - started) / QUIET_MS));
  }

  /** Runs a bash script inside, for `seconds` (60) at most on a quiet machine. @returns {Promise<{ code: number, output: string }>} */
  async order(script, { seconds = USUAL_SECONDS, ...options } = {}) {
    try {
      return await order(this.#port, script, { ...options, seconds: Math.ceil(seconds * this.patience) });
    } catch (error) {
      const why = /^.*(?:detected stalls|soft lockup).*$/m.exec(this.console())?.[0].trim() ?? (await this.#answers() ? undefined : 'it answers nobody any more');
      if (why === undefined) throw error;
      // A CPU that spins, or sleeps for ever, with interrupts lost, mostly in a nested guest: the emulation's fault, and nothing comes after it.
      throw Object.assign(new Error(`the emulated host has stalled: ${why}; what was to be seen: ${await this.#keepEvidence()}`), { final: true, stalled: true });
    }
  }

  /** What its CPUs do, three times, and what it said. @returns the file */
  async #keepEvidence() {
    const file = join(tmpdir(), `skylite-lab-stall-${Date.now()}.log`);
    const seen = [];
    for (const words of ['info status', ...Array(3).fill(['info registers -a', 'info lapic 0', 'info lapic 1']).flat(), 'info pic']) {
      seen.push(`== ${words}`, await this.#monitor.order('human-monitor-command', { 'command-line': words }).catch((error) => error.message));
    }
    await writeFile(file, `${seen.join('\n')}\n== resets\n${await readFile(join(this.#folder, 'resets'), 'utf8').catch(() => '')}\n== console\n${this.console()}`);
    return file;
  }

  #answers() { return order(this.#port, 'true', { seconds: ALIVE_SECONDS }).then(() => true, () => false); }

  /** @throws when it has stalled; a slow answer is no stall */
  async lives() { await this.order('true', { seconds: 10 }).catch((error) => { if (error.stalled) throw error; }); }

  /** As order; @returns what it said @throws when it fails, with its last words */
  async run(script, options) {
    const { code, output } = await this.order(script, options);
    if (code !== 0) throw new Error(`in the lab: ${script.trim().split('\n')[0]} …: exit code ${code}: ${output.trim().slice(-600)}`);
    return output;
  }

  /** Puts a file of this machine into the lab. */
  async put(from, to, mode = '0755') {
    const input = await readFile(from);
    await this.run(`mkdir -p ${dirname(to)} && head -c ${input.length} >${to} && chmod ${mode} ${to}`, { input });
  }

  /** Writes down all that passes on the wire of port `n`, outside. @returns what gives the frames heard so far */
  async tapped(n) {
    const file = join(this.#folder, `wire-${n}.pcap`);
    await this.#monitor.order('object-add', { 'qom-type': 'filter-dump', id: `tap-${n}`, netdev: `wire-port${n}`, file });
    return async () => framesOf(await readFile(file));
  }

  /** Ends it as a power cut does; the scratch folder goes. Harmless when it is down. */
  async down() {
    this.#monitor?.close();
    if (this.#process && this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill('SIGKILL');
    await this.#exited;
    if (this.#folder) await removeFolder(this.#folder);
  }

  console() { try { return readFileSync(join(this.#folder, 'console'), 'utf8'); } catch { return ''; } }

  async #start({ base, format, outside, iommu, words }) {
    this.#folder = scratchFolder(tmpdir(), SCRATCH);
    this.#port = await freePort();
    const { rootfs } = this.#host;
    const tool = rootfsTool(rootfs);
    const disk = join(this.#folder, 'disk.qcow2');
    await tool('usr/bin/qemu-img', 'qemu-img', ['create', '-q', '-f', 'qcow2', '-F', format, '-b', base, disk]);
    const loader = [join(rootfs, 'lib64/ld-linux-x86-64.so.2'), '--library-path', join(rootfs, 'usr/lib/x86_64-linux-gnu')];
    const forwards = Object.fromEntries(outside.map((port) => [port, `${[...loader, join(rootfs, 'usr/bin/socat')].join(' ')} - TCP:127.0.0.1:${port}`]));
    const monitor = join(this.#folder, 'qmp');
    const log = openSync(join(this.#folder, 'qemu.log'), 'a');
    // setpriv: should this process be killed, the kernel ends QEMU.
    this.#process = spawn('setpriv', [
      '--pdeathsig', 'KILL', ...loader, join(rootfs, 'usr/bin/qemu-system-x86_64'),
      ...['qemu', 'seabios', 'ipxe/qemu'].flatMap((name) => ['-L', join(rootfs, name === 'ipxe/qemu' ? 'usr/lib' : 'usr/share', name)]),
      ...machineWords(iommu),
      ...attachedWords({ disk, doorPort: this.#port, console: join(this.#folder, 'console'), monitor, resets: join(this.#folder, 'resets'), forwards }),
      ...words,
    ], { stdio: ['ignore', log, log] });
    this.#exited = new Promise((done) => { this.#process.once('exit', done).once('error', done); });
    try {
      this.#monitor = await Monitor.connect(monitor);
    } catch (error) {
      throw new Error(`${error.message}: ${await readFile(join(this.#folder, 'qemu.log'), 'utf8')}`, { cause: error });
    }
  }

  #untilAnswers(ms) {
    return this.#until(ms, () => this.order('echo here', { seconds: 5 }).then(({ output }) => output.trim() === 'here', () => false), 200);
  }

  async #until(ms, test, everyMs) {
    for (const end = Date.now() + ms; ;) {
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) throw new Error(`the lab's QEMU ended: ${await readFile(join(this.#folder, 'qemu.log'), 'utf8')}`);
      if (await test()) return;
      if (Date.now() > end) throw new Error(`the lab is not up within ${ms / 1000} s; its console says: ${this.console().slice(-2000)}`);
      await pause(everyMs);
    }
  }

  async #save(folder) {
    const work = `${folder}.new`;
    await removeFolder(work);
    await this.#monitor.order('stop');
    await mkdir(work);
    await this.#monitor.order('migrate-set-parameters', { 'max-bandwidth': 20 * 2 ** 30 });
    await this.#monitor.order('migrate', { uri: `file:${join(work, 'memory')}` });
    await this.#until(SAVE_MS, async () => {
      const { status, 'error-desc': why } = await this.#monitor.order('query-migrate');
      if (status === 'failed') throw new Error(`no snapshot of the lab: ${why}`);
      return status === 'completed';
    }, 100);
    await this.#monitor.order('quit').catch(() => undefined);
    await this.#exited;
    await run('mv', [join(this.#folder, 'disk.qcow2'), work]);
    // Named from where it lies, so that the cache can be moved.
    await rootfsTool(this.#host.rootfs)('usr/bin/qemu-img', 'qemu-img', ['rebase', '-u', '-F', 'raw', '-b', '../disk.raw', join(work, 'disk.qcow2')]);
    await rename(work, folder);
  }
}

const kernelWords = (host, iommu) => ['-kernel', host.kernel, '-initrd', host.initrd, '-append', kernelCommandLine(iommu)];

/** Of a file as tcpdump reads it: a header of 24 bytes, then each frame behind one of 16. */
function framesOf(bytes) {
  const frames = [];
  for (let at = 24; at + 16 <= bytes.length;) {
    const length = bytes.readUInt32LE(at + 8);
    frames.push(bytes.subarray(at + 16, at + 16 + length));
    at += 16 + length;
  }
  return frames;
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  const { port } = server.address();
  await new Promise((done) => { server.close(done); });
  return port;
}
