/** What of devices is not as it should be, when there are pools of them: this machine's own part, and what hosts say. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import type { DevicePoolView, DeviceView } from '#libs/contracts';
import type { ApiClient } from '../client.js';
import { allDevices } from './devices.js';
import type { Finding } from './finding.js';

/** What passing devices to guests needs of a kernel. */
export interface KernelParts { iommu: boolean; vfio: 'loaded' | 'not loaded' | 'missing' }

export function kernelParts(root = '/', kernel = release()): KernelParts {
  const groups = join(root, 'sys/kernel/iommu_groups');
  const modules = join(root, 'lib/modules', kernel);
  const names = (file: string): boolean => existsSync(join(modules, file)) && /\/vfio-pci\.ko/.test(readFileSync(join(modules, file), 'utf8'));
  return {
    iommu: existsSync(groups) && readdirSync(groups).length > 0,
    // Built in, it is among the drivers from the first moment.
    vfio: existsSync(join(root, 'sys/bus/pci/drivers/vfio-pci')) ? 'loaded' : names('modules.dep') ? 'not loaded' : 'missing',
  };
}

/** @param here names of the hosts that are this machine @param kernel of this machine */
export async function devices(api: ApiClient, here: readonly string[], kernel: () => KernelParts = kernelParts): Promise<Finding[]> {
  const { pools } = await api.call<{ pools: DevicePoolView[] }>('GET', '/v1/device-pools');
  if (pools.length === 0) return [];
  return findings(pools, await allDevices(api, { state: 'available,claimed,in-use,scrubbing,quarantined,unusable,missing' }), here, kernel);
}

export function findings(pools: readonly DevicePoolView[], seen: readonly DeviceView[], here: readonly string[], kernel: () => KernelParts): Finding[] {
  const pooled = seen.filter(({ pool }) => pool !== null);
  const found: Finding[] = [];
  // Without an IOMMU a host has functions all the same: its own word on them comes with its report.
  const vfio = new Set(pools.filter(({ driver }) => driver === 'vfio-pci').map(({ id }) => id));
  if (pooled.some(({ host, pool, device }) => here.includes(host.name) && vfio.has(pool!.id) && device.kind !== 'pf')) {
    const { iommu, vfio: module } = kernel();
    found.push(
      { part: 'IOMMU', ok: iommu, detail: iommu ? 'on' : 'off: no device can be given to a guest', cure: 'switch VT-d or AMD-Vi on in the firmware, add intel_iommu=on to the kernel\'s command line on Intel, and boot' },
      { part: 'vfio-pci', ok: module === 'loaded', detail: module === 'missing' ? 'this kernel has no such module' : module, cure: module === 'missing' ? 'install the full kernel package (Debian: linux-image-amd64, not -cloud), and boot' : 'modprobe vfio-pci, and for the next boot: echo vfio-pci > /etc/modules-load.d/vfio-pci.conf' },
    );
  }
  const group = (part: string, wrong: readonly DeviceView[], word: string, cure: string): void => {
    if (wrong.length > 0) found.push({ part, ok: false, detail: `${wrong.length} ${word}: ${wrong.slice(0, 5).map(({ host, device }) => `${host.name} ${device.network?.name ?? device.address}`).join(', ')}${wrong.length > 5 ? ', …' : ''}`, cure });
  };
  const because = (code: string): DeviceView[] => pooled.filter(({ device }) => device.condition?.code === code);
  const down = pooled.filter(({ device, state }) => device.kind === 'pf' && device.network?.link === 'down' && state !== 'missing');
  group('PFs', down, 'without a link', 'look at the cable and the switch; on the host: ip link set IFACE up');
  group('IOMMU of hosts', because('no-iommu'), 'without an IOMMU', 'switch it on in those hosts\' firmware and kernel command line');
  group('hung writers', because('hung-writer'), 'where a write to the kernel has not come back', 'end the guest that holds the device, or boot the host: npx skylite device show says which write');
  const quarantined = seen.filter(({ state }) => state === 'quarantined');
  group('quarantine', quarantined, 'in quarantine', `npx skylite device show ${quarantined[0]?.id ?? ''} says why; after repair: npx skylite device release`);
  group('missing', seen.filter(({ state, pool, holder }) => state === 'missing' && (pool !== null || holder !== null)), 'that their hosts do not see any more', 'look at the card and its slot');
  const problems = pools.flatMap(({ name, problems: of }) => of.map((problem) => ({ name, ...problem })));
  if (problems.length > 0) found.push({ part: 'device pools', ok: false, detail: `${problems.length} not applied: ${problems[0]!.name} on ${problems[0]!.hostName}: ${problems[0]!.sentence}`, cure: 'npx skylite device pool list' });
  return found.some(({ ok }) => !ok) ? found : [...found, { part: 'devices', ok: true, detail: `${pooled.length} in ${pools.length} pools, none in quarantine` }];
}
