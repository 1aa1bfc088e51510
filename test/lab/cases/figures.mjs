/**
 * What devices cost on this kernel and libvirt, ours beside the bare thing: an edit of a pool beside the writes alone; live attach and detach beside
 * virsh, on the same guest; what a function adds to a start, of a server and of a domain by hand. Measures, and asserts nothing of it; prints one line
 * of JSON, milliseconds. All of it is emulated and many times slower than a real host: the ratios say more than the times.
 */
import { join } from 'node:path';
import { clock } from '../../bench/looks.mjs';
import { ADDRESSES } from '../machine/topology.mjs';
import { ejectingDisk } from '../support/device-lab.mjs';
import { FastNet, READY_MS, VLAN } from '../support/fast-net.mjs';
import { placed } from '../support/inside.mjs';

export const needsCloud = true;
export const usual = 3;
export const checks = [
  'a host with two VFs', 'a look at its sysfs', 'an edit of the pool: seven VFs on each port, and one again', 'ours: live attach and detach', 'ours: servers with a VF and without',
  'bare, without our agent: VFs made and bound', 'bare: virsh attaches and detaches', 'bare: domains with a VF and without',
];

const EVERY_MS = 50;
const MOST_VFS = 7;
const VIRSH = 'virsh -c qemu:///system';
const BARE_MAC = '52:54:00:0b:a4:01';
/** In a script: `began`, then `took NAME` prints NAME and milliseconds since. No program is started for it. */
const STOPWATCH = 'began() { B=${EPOCHREALTIME/./}; }\ntook() { E=${EPOCHREALTIME/./}; echo "took $1 $(( (E - B) / 1000 ))"; }\n';
const [VF] = ADDRESSES.firstVfs;
const PORTS = ADDRESSES.ports.map((port) => `/sys/bus/pci/devices/${port}`).join(' ');

const figures = (times) => { const { n, wall_ms: took } = clock(times); return { n, ...took }; };
const round = (value) => Number(value.toFixed(2));
/** Of two medians. */
const beside = (ours, bare) => ({ ours, bare, ratio: round(ours.p50 / Math.max(1, bare.p50)), more_ms: Math.round(ours.p50 - bare.p50) });

export async function run({ lab, cloud, check, times = usual }) {
  const row = (n, work) => check(checks[n], work);
  const it = new FastNet(lab, cloud);
  const said = { on: `an emulated host, ${lab.patience.toFixed(1)} times slower than on a quiet machine`, rounds: times };
  const found = {};
  const soon = (what, test) => cloud.until(what, READY_MS, test, EVERY_MS);
  const timed = async (into, work) => { const began = performance.now(); await work(); (found[into] ??= []).push(performance.now() - began); };
  const free = (count) => soon(`${count} VFs are available`, async () => { const there = (await it.vfs()).filter(({ state }) => state !== 'missing'); return there.length === count && there.every(({ state }) => state === 'available'); });
  /** Runs a script with a stopwatch; what it took goes to `found`, less what `less` of it took. */
  const inside = async (script, less) => {
    const output = await lab.run(STOPWATCH + script, { seconds: 120 * times });
    const took = [...output.matchAll(/^took (\S+) (\d+)$/gm)].map(([, name, ms]) => [name, Number(ms)]);
    const own = less === undefined ? 0 : clock(took.filter(([name]) => name === less).map(([, ms]) => ms)).wall_ms.p50;
    for (const [name, ms] of took) (found[name] ??= []).push(name === less ? ms : Math.max(0, ms - own));
  };
  const told = (...names) => names.map((name) => `${name} ${figures(found[name]).p50} ms`).join(', ');

  let ready = false;
  await row(0, async () => { await it.joined(); await it.offered(); ready = true; });
  if (!ready) return;
  await row(1, async () => {
    said.look = JSON.parse(await lab.run(await placed(lab, join(import.meta.dirname, '../inside/looks.mjs')), { seconds: 120 }));
    return `${said.look.functions} functions, first ${said.look.first_look.wall_ms.p50} ms, later ${said.look.later_look.wall_ms.p50} ms`;
  });
  await row(2, async () => {
    for (let n = 0; n < times; n += 1) {
      await timed('edit', async () => { await cloud.call('PATCH', '/v1/device-pools/net1', { vfCount: MOST_VFS }); await free(2 * MOST_VFS); });
      await cloud.call('PATCH', '/v1/device-pools/net1', { vfCount: 1 });
      await free(2);
    }
    return told('edit');
  });

  const guests = await cloud.guestKit(lab);
  const imageRef = await cloud.addImage('lab-ejects', ejectingDisk(cloud.home), 'raw');
  await guests.flavor('bare', {}, { ram: 64 });
  await guests.flavor('with-vf', { 'device:fast-net': `1,vlan=${VLAN}` }, { ram: 64 });
  const active = (id) => soon(`${id} is ACTIVE`, async () => (await guests.show(id)).status === 'ACTIVE');
  const server = await guests.create({ name: 'runs', flavor: 'bare', imageRef });
  await active(server);
  await row(3, async () => {
    for (let n = 0; n < times; n += 1) {
      await timed('attach', async () => { await it.attach(server); await soon('it is attached', async () => (await it.standing(server))[0]?.state === 'attached'); });
      const [{ attachment }] = await it.standing(server);
      await timed('detach', async () => { await cloud.call('DELETE', `/v1/servers/${server}/devices/${attachment}`); await soon('it is gone', async () => (await it.standing(server)).length === 0); });
      await timed('clean', () => free(2));
    }
    said.steps = await stepsOf(lab, server);
    return `${told('attach', 'detach', 'clean')}; of which in the agent's own steps: ${Object.entries(said.steps).map(([step, { p50 }]) => `${step} ${p50} ms`).join(', ')}`;
  });
  await row(4, async () => {
    for (let n = 0; n < times; n += 1) {
      for (const [name, flavor] of [['with', 'with-vf'], ['without', 'bare']]) {
        let id;
        await timed(`server-${name}`, async () => { id = await guests.create({ name: `${name}-${n}`, flavor, imageRef }); await active(id); });
        await guests.remove(id);
        await free(2);
      }
    }
    return told('server-with', 'server-without');
  });

  await cloud.killAgent(lab);
  await row(5, async () => {
    await inside(`
make() { for p in ${PORTS}; do
  echo 0 >$p/sriov_drivers_autoprobe; echo $1 >$p/sriov_numvfs; ip link set "$(ls $p/net)" up
  for v in $p/virtfn*; do a=$(readlink $v); a=\${a##*/}; echo vfio-pci >$v/driver_override; echo $a >/sys/bus/pci/drivers_probe; done
done; }
none() { for p in ${PORTS}; do echo 0 >$p/sriov_numvfs; done; }
set -e
for n in $(seq ${times}); do began; none; make ${MOST_VFS}; took bare-edit; none; make 1; done`);
    return told('bare-edit');
  });
  await row(6, async () => {
    await lab.run(`cat >/tmp/bare-vf.xml <<'X'\n${interfaceOf(VF)}\nX`);
    await inside(`
set -e
d=${server}; x=$(grep -l $d /run/libvirt/qemu/*.xml)
has() { grep -q "<interface type='hostdev'" $x; }
for n in $(seq ${times}); do
  began; ${VIRSH} domstate $d >/dev/null; took virsh
  began; ${VIRSH} attach-device $d /tmp/bare-vf.xml --live; took bare-attach
  has
  began; ${VIRSH} detach-device $d /tmp/bare-vf.xml --live; while has; do sleep 0.02; done; took bare-detach
done`, 'virsh');
    return told('virsh', 'bare-attach', 'bare-detach');
  });
  await row(7, async () => {
    await lab.run([['with', interfaceOf(VF)], ['without', '']].map(([name, devices]) => `cat >/tmp/${name}.xml <<'X'\n${domainOf(name, devices)}\nX`).join('\n'));
    await inside(`
set -e
for n in $(seq ${times}); do
  began; ${VIRSH} list >/dev/null; took virsh
  for k in with without; do began; ${VIRSH} create --paused /tmp/$k.xml; took bare-$k; ${VIRSH} destroy $k; done
done`, 'virsh');
    return told('bare-with', 'bare-without');
  });

  const of = (name) => figures(found[name] ?? [NaN]);
  const added = (prefix) => ({ with_vf: of(`${prefix}with`), without: of(`${prefix}without`), added_ms: Math.round(of(`${prefix}with`).p50 - of(`${prefix}without`).p50) });
  const [ours, bare] = [added('server-'), added('bare-')];
  process.stdout.write(`${JSON.stringify({
    ...said, pool_edit: { vfs: 2 * MOST_VFS, ...beside(of('edit'), of('bare-edit')) }, attach: beside(of('attach'), of('bare-attach')), detach: { ...beside(of('detach'), of('bare-detach')), until_clean: of('clean') },
    start: { server: ours, domain: bare, with_vf_ratio: round(ours.with_vf.p50 / bare.with_vf.p50) }, virsh_itself: of('virsh'),
  })}\n`);
}

/** What each step of the agent took for a server, from its log. */
async function stepsOf(lab, server) {
  const steps = {};
  for (const line of (await lab.run('cat /var/log/skylite-agent.log')).split('\n')) {
    if (!line.includes(server) || !line.includes('"done"')) continue;
    const { step, ms } = JSON.parse(line);
    if (typeof ms === 'number') (steps[step] ??= []).push(ms);
  }
  return Object.fromEntries(Object.entries(steps).map(([step, times]) => [step, figures(times)]));
}

/** As our agent attaches one, but for the name and the place in the guest. */
function interfaceOf(address) {
  const [, domain, bus, slot, fn] = /^(\w+):(\w+):(\w+)\.(\d)$/.exec(address);
  return `<interface type='hostdev' managed='no'><mac address='${BARE_MAC}'/><source><address type='pci' domain='0x${domain}' bus='0x${bus}' slot='0x${slot}' function='0x${fn}'/></source><vlan><tag id='${VLAN}'/></vlan></interface>`;
}

const domainOf = (name, devices) => `<domain type='kvm'><name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type machine='pc' arch='x86_64'>hvm</type></os><features><acpi/></features><devices>${devices}</devices></domain>`;
