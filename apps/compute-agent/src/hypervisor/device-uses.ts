/**
 * Which domains have, or are defined with, which devices of the host: all of libvirt's domains, ours or not. Reads only; nothing is kept, for what is asked decides whether a device is touched.
 * What a running domain has, libvirt says, and the kernel where libvirt does not know: a libvirtd that ends while it attaches a device remembers nothing of one that QEMU has got.
 */
import { isLibvirtError, type DomainRef, type Libvirt } from '#libs/libvirt';
import type { DomainDevice } from '../decide/facts.js';
import type { DeviceUse } from '../devices/decide/seen.js';
import { hostDevicesIn } from '../domain-xml/host-devices.js';
import { notesIn } from '../domain-xml/notes.js';
import { inParallel } from '../parallel.js';

/** IOMMU groups that a domain's own process has open, as the kernel knows it, each by its endpoints. */
export type Opened = (domainId: string) => Promise<readonly (readonly string[])[]>;

export async function deviceUses(libvirt: Libvirt, atOnce: number, opened: Opened): Promise<DeviceUse[]> {
  const uses: DeviceUse[] = [];
  await inParallel(await libvirt.listAllDomains(), atOnce, async (domain) => {
    try {
      const xml = (inactive: boolean): Promise<string> => libvirt.domainGetXmlDesc(domain, { inactive });
      const [defined, live] = await Promise.all([xml(true), domain.id < 0 ? null : xml(false)]);
      const running = addresses(live === null ? [] : await liveDevices(domain, live, opened));
      for (const address of new Set([...addresses(hostDevicesIn(defined)), ...running])) uses.push({ address, domainId: domain.uuid, live: running.includes(address) });
    } catch (error) {
      if (!isLibvirtError(error, 'NO_DOMAIN')) throw error; // it vanished while we looked
    }
  });
  return uses;
}

/**
 * What a running domain has. Only what its notes name can be unknown to libvirt: so its process is looked at only while they name more than libvirt
 * does, and which of those it is, is not told apart.
 * @param live its definition
 */
export async function liveDevices(domain: DomainRef, live: string, opened: Opened): Promise<DomainDevice[]> {
  const named = hostDevicesIn(live);
  const missing = (notesIn(live)?.devices ?? []).filter(({ place }) => !named.some((each) => each.place === place));
  if (missing.length === 0) return named;
  const unnamed = await unnamedOf(domain, named, opened);
  if (unnamed.length === 0) return named;
  return [...named, ...Array.from({ length: Math.max(missing.length, unnamed.length) }, (_, at) => ({ place: missing[at]?.place ?? null, address: unnamed[Math.min(at, unnamed.length - 1)]!, unnamed: true as const }))];
}

/** What its process has open and libvirt does not name. A group of which one is named is open for that one: its others tell nothing. */
export async function unnamedOf(domain: DomainRef, named: readonly DomainDevice[], opened: Opened): Promise<string[]> {
  return (await opened(domain.uuid)).filter((group) => !group.some((address) => addresses(named).includes(address))).flat();
}

const addresses = (devices: readonly DomainDevice[]): string[] => devices.map(({ address }) => address);
