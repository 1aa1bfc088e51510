// One simulated compute host with its real libvirtd and a guest that really boots: what the scripts in deploy/host promise.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SimulatedHost, startTimeOf, tinyImage, until } from '../support/simulated-host.js';

const READY_TIMEOUT_MS = 180_000;
const USER_DATA = '#!/bin/sh\necho "user data ran on $(hostname)"\n';

const instance = randomUUID();
let host: SimulatedHost;
let qemu: number;
let consoleLog: string;

const text = (): string => (existsSync(consoleLog) ? readFileSync(consoleLog, 'utf8') : '');

/** Puts image, disk and config drive where the host's QEMU reaches them, and returns the domain's XML. */
function prepareGuest(image: string): string {
  const { outside, inside } = host.facts.data;
  const folder = join(outside, instance);
  const drive = join(folder, 'drive/openstack/latest');
  mkdirSync(drive, { recursive: true });
  copyFileSync(image, join(outside, 'base.qcow2'));
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', '../base.qcow2', 'disk.qcow2'], { cwd: folder });
  writeFileSync(join(drive, 'meta_data.json'), JSON.stringify({ uuid: instance, hostname: 'guest-1.novalocal', public_keys: { mine: 'ssh-ed25519 AAAA me\n' } }));
  writeFileSync(join(drive, 'user_data'), USER_DATA);
  execFileSync('genisoimage', ['-quiet', '-o', join(folder, 'config.iso'), '-V', 'config-2', '-J', '-r', join(folder, 'drive')]);
  consoleLog = join(folder, 'console.log');
  return `
<domain type='qemu'>
  <name>guest-1</name><uuid>${instance}</uuid>
  <memory unit='MiB'>128</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/><apic/><tcg><tb-cache unit='MiB'>32</tb-cache></tcg></features>
  <cpu mode='maximum'/>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='writeback'/><source file='${inside}/${instance}/disk.qcow2'/>
      <backingStore type='file'><format type='qcow2'/>
        <source file='${inside}/base.qcow2'><seclabel model='dac' relabel='no'/></source><backingStore/>
      </backingStore>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='${inside}/${instance}/config.iso'/><target dev='vdb' bus='virtio'/><readonly/>
    </disk>
    <controller type='usb' model='none'/>
    <serial type='pty'><log file='${inside}/${instance}/console.log' append='on'/><target type='isa-serial' port='0'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>`;
}

describe('a compute host on this machine', () => {
  beforeAll(async () => {
    const image = await tinyImage();
    host = await SimulatedHost.start({ name: 'host-a' });
    const xml = join(host.hostDir, 'guest-1.xml');
    writeFileSync(xml, prepareGuest(image));
    await host.virsh('define', xml);
    await host.virsh('start', 'guest-1');
    qemu = host.processId('qemu-system-x86_64') as number;
  });

  afterAll(async () => {
    await host?.dispose();
  });

  it('answers on its own socket, as a machine of its own', async () => {
    expect(await host.virsh('hostname')).toBe('host-a');
    expect(await host.virsh('capabilities')).toContain(`<uuid>${host.uuid}</uuid>`);
    expect((await host.exec('cat', '/proc/sys/kernel/random/boot_id')).trim()).toBe(host.facts.bootId);
    expect((await host.exec('hostname')).trim()).toBe('host-a');
  });

  it('is found running by a second start', async () => {
    const before = host.facts;
    expect(await host.powerOn()).toEqual(before);
  });

  it('runs QEMU unprivileged, in its own control group, without touching the shared base image', () => {
    const status = readFileSync(`/proc/${qemu}/status`, 'utf8');
    expect(status).not.toMatch(/^Uid:\s+0\s/m);
    expect(status).toMatch(/^Seccomp:\s+2$/m);
    expect(readFileSync(`/proc/${qemu}/cgroup`, 'utf8')).toContain(`/skylite-${host.uuid}/machine`);
    expect(statSync(join(host.facts.data.outside, 'base.qcow2')).uid).toBe(0);
  });

  it('boots a guest that reads its config drive and runs its user data', async () => {
    await until('ready line', READY_TIMEOUT_MS, () => text().includes('tiny: ready'));
    expect(text()).toMatch(new RegExp(`^tiny: ready [0-9.]+ hostname=guest-1 instance=${instance}\\r?$`, 'm'));
    expect(text()).toMatch(new RegExp(`^tiny: user-data ${USER_DATA.length} bytes sha256 [0-9a-f]{12}\\r?$`, 'm'));
    expect(text()).toContain('tiny: user-data: user data ran on guest-1');
    expect(text()).toContain('tiny: user-data finished, exit code 0');
  });

  it('restarts a killed libvirtd; the guest does not notice', async () => {
    const first = host.processId('libvirtd') as number;
    process.kill(first, 'SIGKILL');
    await until('a new libvirtd', 180_000, () => ![undefined, first].includes(host.processId('libvirtd')));
    await until('an answer', 180_000, async () => (await host.virsh('domstate', 'guest-1').catch(() => '')) === 'running');
    expect(host.processId('qemu-system-x86_64')).toBe(qemu);
  });

  it('loses its guest with its power, and keeps its definitions for the next boot', async () => {
    const before = host.facts;
    await host.losePower();
    expect(startTimeOf(qemu)).toBeUndefined();

    const after = await host.powerOn();
    expect(after.bootId).not.toBe(before.bootId);
    expect(after.pid).not.toBe(before.pid);
    expect(await host.virsh('domstate', 'guest-1')).toBe('shut off');
  });

  it('leaves nothing on the machine when it is stopped', async () => {
    await host.virsh('start', 'guest-1');
    const guest = host.processId('qemu-system-x86_64') as number;
    const { pid, runDir } = host.facts;
    await host.powerOff();
    expect([startTimeOf(pid), startTimeOf(guest)]).toEqual([undefined, undefined]);
    expect(existsSync(runDir)).toBe(false);
    expect(globSync(`/sys/fs/cgroup/**/skylite-${host.uuid}`)).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(host.hostDir);
    await host.powerOff(); // once more is no error
  });
});
