// One machine: how long until ready, how much memory at rest, and what a create costs above libvirt's own work.
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Cloud, now, pause, progress, pssMib, round, summary } from './cloud.mjs';

const CREATES = 5;

export async function oneMachine() {
  const cloud = await Cloud.make();
  try {
    progress('first up (fresh home)');
    const first = cloud.up();
    progress('second up (same home, host kept)');
    cloud.down();
    const second = cloud.up();
    await pause(8_000);
    const memory = Object.fromEntries(Object.entries(cloud.processes()).map(([name, pids]) => [name, round(pids.reduce((sum, pid) => sum + pssMib(pid), 0))]));
    const control = round(['supervisor', 'postgres', 'nats-server', 'launcher'].reduce((sum, name) => sum + (memory[name] ?? 0), 0));
    progress('creates');
    const creates = await measureCreates(cloud);
    return { up_ms: { fresh_home: round(first), same_home: round(second) }, idle_pss_mib: { ...memory, control_plane_with_postgres_and_nats: control, total: round(Object.values(memory).reduce((a, b) => a + b, 0)) }, ...creates };
  } finally {
    cloud.end();
  }
}

async function measureCreates(cloud) {
  await cloud.login();
  const imageRef = (await cloud.call('GET', '/image/v2/images?name=skylite-tiny')).images[0].id;
  const active = [];
  const ready = [];
  let bare = [];
  for (let n = 0; n < CREATES; n += 1) {
    const started = now();
    const { server } = await cloud.call('POST', '/compute/v2.1/servers', { server: { name: `b${n}`, imageRef, flavorRef: '42', networks: 'none' } });
    await until(async () => (await cloud.call('GET', `/compute/v2.1/servers/${server.id}`)).server.status === 'ACTIVE', 10);
    active.push(now() - started);
    await until(async () => /tiny: ready/.test((await cloud.call('POST', `/compute/v2.1/servers/${server.id}/action`, { 'os-getConsoleOutput': {} })).output), 50);
    ready.push(now() - started);
    if (n === CREATES - 1) bare = bareLibvirt(cloud, server.id);
    await cloud.call('DELETE', `/compute/v2.1/servers/${server.id}`);
    await pause(2_000);
  }
  const own = summary(active).p50 - summary(bare).p50;
  return { create_to_active_ms: summary(active), create_to_guest_ready_ms: summary(ready), bare_libvirt_create_ms: summary(bare), own_part_of_create_to_active_ms: round(own) };
}

/** The same XML, another name and uuid and a copy of the disk, created by virsh alone (its own start-up subtracted). */
function bareLibvirt(cloud, id) {
  const settings = cloud.settings();
  const uri = `qemu+unix:///system?socket=/run/skylite/${settings.id}/h0/libvirt-sock`;
  const virsh = (...words) => execFileSync('virsh', ['-c', uri, ...words], { encoding: 'utf8', timeout: 60_000 });
  const xml = virsh('dumpxml', '--inactive', id);
  // What the host sees as /var/lib/libvirt/skylite.
  const outside = join(cloud.home, 'hosts', settings.hosts[0].name, 'lib/skylite');
  const scratch = join('/var/lib/libvirt/skylite', basename(mkdtempSync(join(outside, 'bare-'))));
  const out = (path) => path.replace('/var/lib/libvirt/skylite', outside);
  const times = [];
  try {
    chmodSync(out(scratch), 0o711);
    for (let n = 0; n < CREATES; n += 1) {
      const disk = /<source file='([^']+\.qcow2)'/.exec(xml)[1];
      const copy = join(scratch, `disk-${n}.qcow2`);
      copyFileSync(out(disk), out(copy));
      const drive = join(scratch, `config-${n}.iso`);
      copyFileSync(out(join(dirname(disk), 'config.iso')), out(drive));
      const file = join(out(scratch), 'domain.xml');
      const text = xml.replaceAll(disk, copy).replace(/<log file='[^']*'/, `<log file='${join(scratch, `serial-${n}.log`)}'`)
        .replace(/<source file='[^']*config.iso'\/>/, `<source file='${drive}'/>`).replaceAll(id, randomUUID()).replace(/<name>[^<]*<\/name>/, `<name>bare-${n}</name>`);
      writeFileSync(file, text);
      const empty = time(() => virsh('version'));
      times.push(time(() => virsh('create', file)) - empty);
      virsh('destroy', `bare-${n}`);
    }
  } finally {
    rmSync(out(scratch), { recursive: true, force: true });
  }
  return times;
}

const time = (work) => { const started = now(); work(); return now() - started; };

async function until(test, everyMs) {
  const end = now() + 180_000;
  while (!(await test())) {
    if (now() > end) throw new Error('not in time');
    await pause(everyMs);
  }
}
