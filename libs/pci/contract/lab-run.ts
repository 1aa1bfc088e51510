// Runs the contract on the kernel of this machine, without a test runner: one JSON line for each case, exit code 1 when one failed. It takes
// a whole PF for itself and starts guests by virsh, so it belongs on an emulated host:
//   node dist/libs/pci/contract/lab-run.js --pf 0000:01:00.0 --run-dir /run/skylite-contract [--quiet 0000:05:01.0 --bound 0000:05:02.0]
//     [--unresettable 0000:05:01.0] [--deadline 10000] [--type kvm] [--kernel FILE --initrd FILE --ready TEXT [--cmdline TEXT]] [--slow N] [--only WORDS]
// --ready: what a guest says on its serial line when its system is up; --slow: how much slower than usual this machine is.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { parsePciAddress, pciParts } from '../address.js';
import type { PciAddress } from '../api.js';
import { KernelPci } from '../kernel-pci.js';
import { SysfsKernel } from '../sysfs/sysfs-kernel.js';
import { resetHost, runPciContract, type PciContractHost, type PciNeed } from './host.js';
import { PCI_CASES } from './pci.contract.js';

const run = promisify(execFile);
const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: { pf: text, 'run-dir': text, quiet: text, bound: text, unresettable: text, deadline: text, type: text, kernel: text, initrd: text, cmdline: text, ready: text, slow: text, only: text },
});

const runDir = values['run-dir'] ?? '/run/skylite-contract';
mkdirSync(runDir, { recursive: true });
const guests = new Map<PciAddress, string>();
let nth = 0;
const slow = Number(values.slow ?? '1');
const BOOT_MS = 60_000;
/** Where libvirt may write. */
const serialOf = (name: string): string => `/var/log/libvirt/qemu/${name}.serial`;

const pause = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });

function domainXml(name: string, address: PciAddress, answers: boolean): string {
  const { domain, bus, slot, fn } = pciParts(address);
  const boot = answers ? `<kernel>${values.kernel ?? ''}</kernel><initrd>${values.initrd ?? ''}</initrd><cmdline>${values.cmdline ?? 'console=ttyS0'}</cmdline>` : '';
  // Ports to spare: a guest that is to answer gives its function up by one of them.
  return `<domain type='${values.type ?? 'kvm'}'><name>${name}</name><memory unit='MiB'>${answers ? 256 : 64}</memory><vcpu>1</vcpu>`
    + `<os><type arch='x86_64' machine='q35'>hvm</type>${boot}</os><features><acpi/></features><devices><controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' model='pcie-root-port'/><controller type='pci' index='2' model='pcie-root-port'/>`
    + (answers ? `<serial type='file'><source path='${serialOf(name)}'/></serial>` : '')
    + `<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='${domain}' bus='${bus}' slot='${slot}' function='${fn}'/></source></hostdev></devices></domain>`;
}

async function giveToGuest(address: PciAddress, options: { readonly answers: boolean }): Promise<void> {
  const name = `contract-${nth++}`;
  const file = join(runDir, `${name}.xml`);
  writeFileSync(file, domainXml(name, address, options.answers));
  // A guest that is paused answers nobody, and burns no CPU.
  await run('virsh', ['create', file, ...(options.answers ? [] : ['--paused'])]);
  guests.set(address, name);
  if (!options.answers) return;
  // Until its system is up, it is as deaf as the other.
  for (const end = performance.now() + BOOT_MS * slow; !readFileSync(serialOf(name), 'latin1').includes(values.ready ?? 'login:'); await pause(500)) {
    if (performance.now() > end) throw new Error(`The guest did not come up; it said: ${readFileSync(serialOf(name), 'latin1').slice(-500)}`);
  }
}

async function endGuest(address: PciAddress): Promise<void> {
  const name = guests.get(address);
  guests.delete(address);
  if (name !== undefined) await run('virsh', ['destroy', name]);
}

function make(): { port: SysfsKernel; pci: KernelPci } {
  const port = new SysfsKernel({ runDir, deadlineMs: Number(values.deadline ?? '10000') * slow });
  return { port, pci: new KernelPci(port) };
}

const has = new Set<PciNeed>(['deaf-guests', 'pci-pf-stub']);
if (values.kernel !== undefined) has.add('guests');
if (values.quiet !== undefined && values.bound !== undefined) has.add('shared-group');
const first = make();
const host: PciContractHost = {
  ...first, has, again: make, giveToGuest, endGuest, patienceMs: 60_000 * slow,
  pf: parsePciAddress(values.pf ?? '0000:01:00.0'),
  shared: values.quiet === undefined || values.bound === undefined ? null : { quiet: parsePciAddress(values.quiet), bound: parsePciAddress(values.bound), driver: 'e1000' },
  unresettable: values.unresettable === undefined ? null : parsePciAddress(values.unresettable),
};
await run('modprobe', ['-a', 'vfio-pci', 'pci-pf-stub', 'igbvf']).catch(() => undefined);
const cases = PCI_CASES.filter((one) => one.name.includes(values.only ?? ''));
const results = await runPciContract(host, cases, (result) => { process.stdout.write(`${JSON.stringify(result)}\n`); });
for (const address of [...guests.keys()]) await endGuest(address).catch(() => undefined);
await resetHost(host).catch((error: unknown) => { process.stderr.write(`The host could not be put back: ${String(error)}\n`); });
process.exit(results.some((one) => one.outcome === 'failed') ? 1 : 0);
