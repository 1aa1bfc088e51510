/**
 * A domain's definition from what is desired and what was frozen.
 *
 * Owns: the one way Skylite's domains look. Pure. A running or defined domain is never rendered again: a change here
 * raises RENDER_VERSION and concerns domains defined from then on.
 */
import { formatCpuList } from '#libs/config';
import type { DesiredInstance } from '#libs/contracts';
import { DEVICES } from './devices.js';
import { hostDevices } from './host-devices.js';
import { displayText, el, renderXml, type XmlNode } from './node.js';
import { notesNode } from './notes.js';
import { cputune, guestCells, guestTopology, memoryBacking, numatune, vcpu } from './placement.js';
import type { DomainSpec } from './spec.js';

/**
 * 2: a screen (VNC on a socket of the domain's own), and a tablet. 3: the host CPUs, cells and pages that were claimed, and shared CPUs for
 * guests that float. What a guest does not see is rendered for domains of older versions too, whenever they are defined anew.
 */
export const RENDER_VERSION = 3;

/** The whole id: parts of it need not differ (time-ordered ids begin alike), and a name that is taken is a server that cannot be made. */
export const domainName = (id: string): string => `instance-${id}`;

export function renderDomain(spec: DomainSpec): string {
  const { desired, frozen } = spec;
  return renderXml(el('domain', { type: frozen.virtType },
    el('name', {}, domainName(desired.id)),
    el('uuid', {}, desired.id),
    displayText(desired.name) === '' ? null : el('title', {}, displayText(desired.name)),
    el('metadata', {}, notesNode({ ...spec, sharedCpus: formatCpuList(spec.host.shared ?? []) })),
    el('memory', { unit: 'MiB' }, String(desired.memoryMib)),
    el('currentMemory', { unit: 'MiB' }, String(desired.memoryMib)),
    memoryBacking(spec),
    vcpu(spec),
    cputune(spec),
    numatune(spec),
    sysinfo(desired),
    el('os', {}, el('type', { arch: frozen.arch, machine: frozen.machine }, 'hvm'), el('boot', { dev: 'hd' }), el('smbios', { mode: 'sysinfo' })),
    el('features', {}, el('acpi'), el('apic'), translationCache(spec)),
    cpu(spec),
    el('clock', { offset: 'utc' }, el('timer', { name: 'rtc', tickpolicy: 'catchup' }), el('timer', { name: 'pit', tickpolicy: 'delay' }), el('timer', { name: 'hpet', present: 'no' })),
    el('on_poweroff', {}, 'destroy'),
    el('on_reboot', {}, 'restart'),
    el('on_crash', {}, 'destroy'),
    el('devices', {}, el('emulator', {}, frozen.emulator), ...DEVICES.map((build) => build(spec)), ...hostDevices(spec.devices ?? [])),
  ));
}

/** What guests read to see where they run and who they are (cloud-init's detection among them). */
const sysinfo = (desired: DesiredInstance): XmlNode => el('sysinfo', { type: 'smbios' }, el('system', {},
  el('entry', { name: 'manufacturer' }, 'Skylite'),
  el('entry', { name: 'product' }, 'OpenStack Compute'),
  el('entry', { name: 'serial' }, desired.id),
  el('entry', { name: 'uuid' }, desired.id),
  el('entry', { name: 'family' }, 'Virtual Machine')));

function cpu(spec: DomainSpec): XmlNode {
  const { frozen } = spec;
  const features = frozen.cpuFeatures === '' ? [] : frozen.cpuFeatures.split(',').map((feature) => el('feature', { policy: feature.startsWith('-') ? 'disable' : 'require', name: feature.slice(1) }));
  // Emulated CPUs have what the model names and no host to check against.
  return el('cpu', { mode: 'custom', match: 'exact', check: frozen.virtType === 'kvm' ? 'partial' : 'none' },
    el('model', { fallback: 'forbid' }, frozen.cpuModel),
    guestTopology(spec),
    ...features,
    guestCells(spec));
}

/** Emulation caches translated code; its default lets a small guest's process grow beyond a GiB. */
const translationCache = ({ desired, frozen }: DomainSpec): XmlNode | null =>
  frozen.virtType === 'qemu' ? el('tcg', {}, el('tb-cache', { unit: 'MiB' }, desired.memoryMib <= 512 ? '32' : '128')) : null;
