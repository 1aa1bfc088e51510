/** What libvirt says a host can do, read into plain values. Pure. */
import type { HostInventory } from '#libs/contracts';
import { el, renderXml } from '../domain-xml/node.js';
import { findXml, readXml, type XmlElement } from '../domain-xml/read-xml.js';

export interface DomainCapabilities {
  readonly emulator: string;
  /** A versioned machine type: the alias `pc` would become another machine with the next QEMU. */
  readonly machine: string;
  readonly arch: string;
  readonly cpuModel: string;
  readonly cpuFeatures: string;
}

/**
 * What emulated CPUs are: x86-64-v2, so that today's distributions boot, and no more, so that a boot stays quick.
 * Named, so that every host of a cloud gives the same.
 */
const EMULATED_CPU = 'Nehalem';

export const readDomainCapabilities = (virtType: 'kvm' | 'qemu') => (xml: string): DomainCapabilities => {
  const root = readXml(xml);
  const text = (name: string): string => {
    const value = findXml(root, name)?.text.trim();
    if (!value) throw new Error(`libvirt's domain capabilities do not name the ${name}`);
    return value;
  };
  const base = { emulator: text('path'), machine: text('machine'), arch: text('arch') };
  const hostModel = findXml(root, 'cpu')?.children.find((mode) => mode.name === 'mode' && mode.attributes['name'] === 'host-model' && mode.attributes['supported'] === 'yes');
  const model = findXml(hostModel, 'model')?.text.trim();
  if (virtType === 'qemu' || !hostModel || !model) return { ...base, cpuModel: virtType === 'qemu' ? EMULATED_CPU : 'qemu64', cpuFeatures: '' };
  const features = hostModel.children.filter((child) => child.name === 'feature' && /^[\w.-]+$/.test(child.attributes['name'] ?? ''));
  return { ...base, cpuModel: model, cpuFeatures: features.map(({ attributes }) => `${attributes['policy'] === 'disable' ? '-' : '+'}${attributes['name'] ?? ''}`).join(',') };
};

/** NUMA cells with their CPUs, cores, huge pages and distances; one cell of everything where libvirt names none. */
export function readCells(capabilitiesXml: string, info: { cpus: number; memoryKiB: number }): HostInventory['cells'] {
  const cells = findXml(readXml(capabilitiesXml), 'host', 'topology', 'cells')?.children.filter((child) => child.name === 'cell') ?? [];
  if (cells.length === 0) {
    const cpus = Array.from({ length: info.cpus }, (_, cpu) => cpu);
    return [{ id: 0, cpus, memoryMib: Math.floor(info.memoryKiB / 1024), socket: 0, cores: cpus.map((cpu) => [cpu]), pages: [], distances: [10] }];
  }
  const ids = cells.map((cell) => Number(cell.attributes['id'] ?? 0));
  return cells.map((cell, at) => {
    const cpus = (findXml(cell, 'cpus')?.children ?? []).filter((child) => child.name === 'cpu' && Number.isInteger(Number(child.attributes['id'])));
    const distances = new Map((findXml(cell, 'distances')?.children ?? []).map(({ attributes }) => [Number(attributes['id']), Number(attributes['value'])]));
    return {
      id: ids[at]!, memoryMib: Math.floor(Number(findXml(cell, 'memory')?.text ?? 0) / 1024),
      cpus: cpus.map(({ attributes }) => Number(attributes['id'])).sort((a, b) => a - b),
      socket: Number(cpus[0]?.attributes['socket_id'] ?? 0) || 0,
      cores: coresOf(cpus),
      pages: cell.children.filter(({ name, attributes }) => name === 'pages' && Number(attributes['size']) > SMALL_PAGE_KIB).map(({ attributes, text }) => ({ kib: Number(attributes['size']), total: Number(text) || 0 })),
      distances: distances.size === 0 ? [] : ids.map((id) => distances.get(id) ?? FAR),
    };
  });
}

/** x86's; elsewhere ordinary pages may be larger, and are not told from huge ones by size alone. */
const SMALL_PAGE_KIB = 4;
/** What the kernel says of a cell it cannot measure. */
const FAR = 255;

/** CPUs that are threads of one core, by what libvirt calls siblings. */
function coresOf(cpus: readonly XmlElement[]): number[][] {
  const cores = new Map<string, number[]>();
  for (const { attributes } of cpus) {
    const key = attributes['siblings'] ?? attributes['id']!;
    cores.set(key, [...(cores.get(key) ?? []), Number(attributes['id'])]);
  }
  return [...cores.values()].map((core) => core.sort((a, b) => a - b)).sort((a, b) => a[0]! - b[0]!);
}

/** The CPU of guests, for asking what features it has. */
export const guestCpuXml = ({ cpuModel, cpuFeatures, arch }: Pick<DomainCapabilities, 'cpuModel' | 'cpuFeatures' | 'arch'>): string => renderXml(el('cpu', {},
  el('arch', {}, arch), el('model', {}, cpuModel),
  ...cpuFeatures.split(',').filter((feature) => feature.startsWith('+')).map((feature) => el('feature', { name: feature.slice(1) }))));

/** Features by name that a guest with this CPU has, less those that guests are not given. */
export function readFeatures(cpuXml: string, cpuFeatures: string): string[] {
  const off = new Set(cpuFeatures.split(',').filter((feature) => feature.startsWith('-')).map((feature) => feature.slice(1)));
  const named = readXml(cpuXml).children.filter(({ name, attributes }) => name === 'feature' && attributes['policy'] !== 'disable').map(({ attributes }) => attributes['name'] ?? '');
  return [...new Set(named)].filter((name) => name !== '' && name.length <= 64 && !off.has(name)).sort();
}
