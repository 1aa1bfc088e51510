/**
 * Devices of one domain, over libvirt: attached, asked back, noted. Each call looks first and may be repeated.
 *
 * Owns: what proves that a domain has a device no more. A call that was lost on the way may still be at work in libvirt; it holds the domain's
 * job as long, so after the domain has taken another change and names the device nowhere, and its process has none that libvirt does not name, it is gone. Never waits for a guest's answer. A crash
 * inside leaves what the next look shows.
 */
import { LibvirtError, type DomainRef, type Libvirt } from '#libs/libvirt';
import type { PlacedDevice } from '../devices/decide/ready.js';
import { aliasOf, hasBusOf, hostDevicesIn, hostDeviceXml } from '../domain-xml/host-devices.js';
import { StepError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { liveDevices, unnamedOf, type Opened } from './device-uses.js';

interface Where { readonly live: string | null; readonly defined: string }

/** Memory of the guest is pinned: the larger, the longer. */
const LONG = { timeoutMs: LIMITS.actionMs.memory };

/** Gives it the device, running and defined, where it has it not. @throws StepError, LibvirtError */
export async function attachDevice(libvirt: Libvirt, domain: DomainRef, device: PlacedDevice, opened: Opened): Promise<void> {
  const { claimed: { place, identity }, address } = device;
  const { live, defined } = await xmlOf(libvirt, domain);
  const at = (xml: string): string | undefined => hostDevicesIn(xml).find((each) => each.place === place)?.address;
  if ([live, defined].some((xml) => xml !== null && (at(xml) ?? address) !== address)) throw new StepError('device-place', `The place of the device ${identity} in the guest is taken by another device.`, 'counted');
  // Asked once more for what QEMU has already, libvirt would set its VF anew, be refused, and put the VF back: under the guest that drives it.
  const lacks = { live: live !== null && at(live) === undefined && !(await unnamedOf(domain, hostDevicesIn(live), opened)).includes(address), config: at(defined) === undefined };
  if (!lacks.live && !lacks.config) return;
  if (lacks.live && live !== null && !hasBusOf(live, place)) throw new StepError('device-no-slot', 'The running guest has no slot left for one more device: stop the server, then attach it.', 'never');
  await libvirt.domainAttachDevice(domain, hostDeviceXml(device), lacks, LONG).catch(async (error: unknown) => {
    if (!(error instanceof LibvirtError)) throw error;
    const now = await xmlOf(libvirt, domain);
    if (at(now.defined) !== address || (lacks.live && now.live !== null && at(now.live) !== address)) throw error;
  });
}

/** Takes it out of the definition, and asks a running guest for it. @returns gone: the domain names it nowhere. @throws LibvirtError */
export async function detachDevice(libvirt: Libvirt, domain: DomainRef, place: number, settle: () => Promise<void>, opened: Opened): Promise<'gone' | 'asked'> {
  const has = (xml: string | null): boolean => xml !== null && hostDevicesIn(xml).some((each) => each.place === place);
  const isUnnamed = async (live: string | null): Promise<boolean> => live !== null && (await liveDevices(domain, live, opened)).some((each) => each.unnamed && each.place === place);
  const before = await xmlOf(libvirt, domain);
  if (has(before.defined)) await libvirt.domainDetachDevice(domain, aliasOf(place), { config: true });
  let refusal: LibvirtError | null = null;
  if (has(before.live)) {
    await libvirt.domainDetachDevice(domain, aliasOf(place), { live: true }).catch((error: unknown) => {
      if (!(error instanceof LibvirtError)) throw error;
      refusal = error;
    });
  }
  let after = await xmlOf(libvirt, domain);
  if (!has(after.live) && !has(after.defined)) {
    await settle();
    after = await xmlOf(libvirt, domain);
  }
  if (!has(after.live) && !has(after.defined)) return (await isUnnamed(after.live)) ? 'asked' : 'gone';
  // QEMU may refuse to ask again what it has asked already; the guest may answer that one still.
  if (refusal !== null && !IN_PROCESS.test((refusal as LibvirtError).message)) throw refusal;
  return 'asked';
}

const IN_PROCESS = /already in the process of unplug/;

async function xmlOf(libvirt: Libvirt, domain: DomainRef): Promise<Where> {
  const defined = await libvirt.domainGetXmlDesc(domain, { inactive: true });
  return { defined, live: (await libvirt.domainLookupByUuid(domain.uuid)).id < 0 ? null : await libvirt.domainGetXmlDesc(domain) };
}
