/** What libvirt says a host can do, read into plain values. Pure. */
import type { HostInventory } from '#libs/contracts';
import { findXml, readXml } from '../domain-xml/read-xml.js';

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

/** NUMA cells with their CPUs; one cell of everything where libvirt names none. */
export function readCells(capabilitiesXml: string, info: { cpus: number; memoryKiB: number }): HostInventory['cells'] {
  const cells = findXml(readXml(capabilitiesXml), 'host', 'topology', 'cells')?.children.filter((child) => child.name === 'cell') ?? [];
  if (cells.length === 0) return [{ id: 0, cpus: Array.from({ length: info.cpus }, (_, cpu) => cpu), memoryMib: Math.floor(info.memoryKiB / 1024) }];
  return cells.map((cell) => ({
    id: Number(cell.attributes['id'] ?? 0),
    cpus: (findXml(cell, 'cpus')?.children ?? []).filter((child) => child.name === 'cpu').map((child) => Number(child.attributes['id'])).filter(Number.isInteger),
    memoryMib: Math.floor(Number(findXml(cell, 'memory')?.text ?? 0) / 1024),
  }));
}
