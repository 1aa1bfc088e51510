/**
 * Random harm over creates, live attaches and detaches, and deletes of small guests on the emulated host: the agent and libvirtd are killed, the
 * kernel refuses for real reasons, somebody's hand is on free functions, the pool is edited. After each injection the laws are checked between
 * what the cloud says, the kernel, libvirt and the processes; in the end all that was asked for has come about, and nothing is left over.
 */
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ADDRESSES } from '../machine/topology.mjs';
import { DeviceLab, POOL, VLANS } from '../support/device-lab.mjs';
import { Load } from '../support/load.mjs';

export const needsCloud = true;
export const usual = 200;
export const perLab = 50;
export const checks = ['the pool is ready', 'no device has two holders at any instant', 'left alone, what was asked for comes about', 'servers deleted, no device is left over', 'what is offered has nothing of anybody'];

const VFS = 3;
/** Of the pool's edits: a small number is refused an edit for as long as one of its VFs is used, so that it stays. */
const COUNTS = [1, VFS - 1, VFS, VFS, VFS, VFS];
const READY_MS = 120_000;
const RUN_DIR = '/run/skylite';

export async function run({ lab, cloud, check, times = usual }) {
  const seed = Number(process.env.SKYLITE_LAB_SEED ?? randomInt(2 ** 31));
  const random = seeded(seed);
  const below = (count) => Math.floor(random() * count);
  const any = (list) => list[below(list.length)];
  /** One check; what there is to see when it fails is kept, for the lab itself is forgotten. */
  const kept = (name, work) => check(name, async () => {
    try { return await work(); } catch (error) {
      if (error.stalled) throw error;
      const file = join(tmpdir(), `skylite-lab-injections-${seed}.log`);
      writeFileSync(file, `${error.stack}\n\n${await it?.evidence().catch((lost) => lost.message)}`);
      throw new Error(`seed ${seed}, ${error.message}; what was to be seen: ${file}`, { cause: error });
    }
  });
  let it;
  await check(checks[0], async () => { it = await DeviceLab.prepared(lab, cloud, VFS); return `seed ${seed}`; });
  if (!it) return;

  const load = new Load(it, { random, below, any, vlans: VLANS });
  let refusedEdits = 0;
  const free = async () => (await it.vfs()).filter(({ state, holder }) => state === 'available' && holder === null);
  const portName = (address) => ADDRESSES.portNames[ADDRESSES.ports.indexOf(address)];
  /** A script on a VF that nobody has, if there is one. Nobody is to get it meanwhile: a hand on what a guest has does real harm. */
  const onFree = async (script) => {
    await load.untilNobodyGetsAny();
    const view = any(await free());
    const real = view && (await it.look()).vfs.get(view.device.address);
    if (!real) return 'nothing was free';
    await lab.run(script({ address: view.device.address, port: portName(real.port), index: real.index }));
    return view.device.address;
  };

  const INJECTIONS = {
    'SIGKILL of the agent': async () => { await cloud.killAgent(lab); await pause(below(3_000)); await cloud.startAgent(lab); },
    'SIGKILL of libvirtd': () => lab.run(`kill -KILL $(pidof libvirtd); sleep ${below(3)}; libvirtd -d`),
    'sysfs read-only (EROFS)': () => lab.run(`mount -o remount,bind,ro /sys; sleep ${1 + below(4)}; mount -o remount,bind,rw /sys`),
    'the lock of a port is taken': () => lab.run(`flock ${RUN_DIR}/${any(ADDRESSES.ports)}.lock sleep ${1 + below(4)} || true`),
    'a port goes down': () => lab.run(`ip link set ${any(ADDRESSES.portNames)} down`),
    'a free function is taken from its driver': () => onFree(({ address }) => `echo ${address} >/sys/bus/pci/devices/${address}/driver/unbind; echo no-such-driver >/sys/bus/pci/devices/${address}/driver_override`),
    'a free function is set by hand': () => onFree(({ port, index }) => `ip link set ${port} vf ${index} vlan 49; ip link set ${port} vf ${index} trust on; ip link set ${port} vf ${index} mac 52:54:00:0b:00:0${index}`),
    'the pool is edited': async () => {
      const { status, text } = await cloud.ask('PATCH', `/v1/device-pools/${POOL}`, { vfCount: any(COUNTS) });
      if (status === 409) refusedEdits += 1;
      else if (status >= 400) throw new Error(`${status} ${text.slice(0, 300)}`);
      return String(status);
    },
  };

  await kept(checks[1], async () => {
    const started = Date.now();
    const counts = {};
    for (let n = 0; n < times; n += 1) {
      const asked = await load.next();
      await pause(below(3_000));
      const name = any(Object.keys(INJECTIONS));
      const said = await INJECTIONS[name]();
      counts[name] = (counts[name] ?? 0) + 1;
      const broken = await it.broken();
      if (broken.length > 0) throw new Error(`after injection ${n + 1} (${asked}; ${name}${said ? `: ${said}` : ''}): ${broken.join('; ')}`);
      if ((n + 1) % 10 === 0) process.stdout.write(`       ${n + 1} injections, ${load}, ${((Date.now() - started) / 1000).toFixed(0)} s\n`);
    }
    return `${times} injections, ${load}, ${refusedEdits} edits refused; ${Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(', ')}`;
  });
  await kept(checks[2], () => load.settled());
  let settled;
  await kept(checks[3], async () => {
    await load.removeAll();
    settled = await cloud.until('all VFs are free and clean', READY_MS, async () => {
      const all = await it.vfs();
      if (all.length > 0 && all.every(({ state, holder }) => (state === 'available' || state === 'missing') && holder === null)) return all.filter(({ state }) => state === 'available');
      throw new Error(all.map(({ device, state, holder, reason }) => `${device.identity} ${state} ${holder ?? ''} ${reason ?? ''}`).join('; '));
    });
    return settled.map(({ device, generation }) => `${device.identity} generation ${generation}`).join(', ');
  });
  await kept(checks[4], async () => {
    const { vfs } = await it.look();
    const wrong = (settled ?? []).flatMap(({ device }) => { const left = it.leftOn(vfs.get(device.address) ?? {}, it.macs); return left ? [`${device.address}: ${left}`] : []; });
    if (wrong.length > 0) throw new Error(wrong.join('; '));
  });
}

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** The same choices for the same seed (mulberry32); what the machine makes of them differs from run to run. */
function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
