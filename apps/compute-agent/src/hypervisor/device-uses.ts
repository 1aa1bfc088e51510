/** Which domains have, or are defined with, which devices of the host: all of libvirt's domains, ours or not. Reads only; nothing is kept, for what is asked decides whether a device is touched. */
import { isLibvirtError, type DomainRef, type Libvirt } from '#libs/libvirt';
import type { DeviceUse } from '../devices/decide/seen.js';
import { hostDevicesIn } from '../domain-xml/host-devices.js';
import { inParallel } from '../parallel.js';

export async function deviceUses(libvirt: Libvirt, atOnce: number): Promise<DeviceUse[]> {
  const uses: DeviceUse[] = [];
  await inParallel(await libvirt.listAllDomains(), atOnce, async (domain) => {
    try {
      const [defined, running] = await Promise.all([addresses(libvirt, domain, true), domain.id < 0 ? Promise.resolve<string[]>([]) : addresses(libvirt, domain, false)]);
      for (const address of new Set([...defined, ...running])) uses.push({ address, domainId: domain.uuid, live: running.includes(address) });
    } catch (error) {
      if (!isLibvirtError(error, 'NO_DOMAIN')) throw error; // it vanished while we looked
    }
  });
  return uses;
}

const addresses = async (libvirt: Libvirt, domain: DomainRef, inactive: boolean): Promise<string[]> => hostDevicesIn(await libvirt.domainGetXmlDesc(domain, { inactive })).map(({ address }) => address);
