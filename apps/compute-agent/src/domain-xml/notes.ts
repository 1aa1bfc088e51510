/**
 * Our notes in a domain's <metadata>: enough to know whose it is and to go on with neither ledger nor control plane.
 * Owns: their form, written and read. A domain without readable notes is not ours.
 */
import { Layout, type DesiredInstance } from '#libs/contracts';
import type { DomainNotes, Frozen, Shape } from '../decide/facts.js';
import { devicesIn, layoutKey, type OwnDevice } from '../decide/layout.js';
import { el, renderXml, type XmlNode } from './node.js';
import { readXml, type XmlElement } from './read-xml.js';

export const NOTES_URI = 'urn:skylite:instance:1';
export const NOTES_PREFIX = 'skylite';

export interface NotesToWrite {
  readonly cloudId: string;
  readonly epoch: number;
  readonly rebootCount: number;
  readonly frozen: Frozen;
  readonly desired: DesiredInstance;
  /** The host's shared CPUs that it was defined with, as a list; none: all were. */
  readonly sharedCpus?: string;
}

const node = (prefix: string, { cloudId, epoch, rebootCount, frozen, desired, sharedCpus }: NotesToWrite): XmlNode => {
  // The config drive's files are on the config drive, and hold what does not belong into a domain's definition; and a
  // transfer's key is a secret. What is kept beside, or has run, is the moment's business.
  const { configDrive: _files, diskFrom: _transfer, previous: _previous, diskLaunched: _launched, layout, ...rest } = desired;
  const spec = { ...rest, ...(layout && { layout }) };
  return el(`${prefix}instance`, {
    ...(prefix !== '' && { [`xmlns:${NOTES_PREFIX}`]: NOTES_URI }),
    cloud: cloudId, project: desired.projectId, epoch, generation: desired.generation, specGeneration: desired.specGeneration, diskGeneration: desired.diskGeneration, rebootCount, renderVersion: frozen.renderVersion,
    sharedCpus: sharedCpus === '' ? undefined : sharedCpus,
  }, el(`${prefix}frozen`, { ...frozen }), el(`${prefix}spec`, {}, jsonForXml(spec)));
};

/** JSON leaves two characters as they are that XML cannot hold. */
const jsonForXml = (value: unknown): string => JSON.stringify(value).replaceAll('\ufffe', '\\ufffe').replaceAll('\uffff', '\\uffff');

/** As libvirt's set-metadata wants it: without the namespace. */
export const notesText = (notes: NotesToWrite): string => renderXml(node('', notes));

/** As a child of a definition's <metadata>. */
export const notesNode = (notes: NotesToWrite): XmlNode => node(`${NOTES_PREFIX}:`, notes);

const toNode = (element: XmlElement): XmlNode => el(local(element.name), Object.fromEntries(Object.entries(element.attributes).filter(([name]) => !name.startsWith('xmlns'))),
  ...element.children.map(toNode), ...(element.children.length === 0 && element.text !== '' ? [element.text] : []));

/** The notes of `old`, read from a domain, with another count; as libvirt's set-metadata wants it: without the namespace. */
export function withRebootCount(old: string, rebootCount: number): string {
  const root = toNode(readXml(old));
  return renderXml({ ...root, attributes: { ...root.attributes, rebootCount } });
}

/** The notes of `old` with other devices, for a domain that is made of nothing else new. @param layout what the rest of it is like, where the notes know of none */
export function withNotedDevices(old: string, layout: Layout | null, devices: readonly OwnDevice[]): string {
  const root = toNode(readXml(old));
  return renderXml({ ...root, children: root.children.map((child) => (typeof child === 'string' || child.name !== 'spec' ? child : {
    ...child, children: child.children.map((text) => (typeof text === 'string' ? specWith(text, layout, devices) : text)),
  })) });
}

function specWith(text: string, given: Layout | null, devices: readonly OwnDevice[]): string {
  const spec = JSON.parse(text) as { layout?: Layout };
  const { devices: _before, ...layout } = spec.layout ?? given ?? NO_LAYOUT;
  return jsonForXml({ ...spec, layout: { ...layout, ...(devices.length > 0 && { devices }) } });
}

const NO_LAYOUT: Layout = { cells: [], emulatorCpu: null, emulatorThreads: null, idleCpus: [], guestTopology: null, numa: false };

const local = (name: string): string => name.slice(name.indexOf(':') + 1);

/** The notes in a domain's whole definition. */
export function notesIn(domainXml: string): DomainNotes | null {
  const [found] = /<(\w+:)?instance\b[^>]*xmlns[\s\S]*?<\/\1instance>/.exec(domainXml) ?? [];
  return found === undefined ? null : readNotes(found);
}

/** Reads the notes, with or without namespace prefixes; null when they are not readable as ours. */
export function readNotes(xml: string): DomainNotes | null {
  try {
    const root = readXml(xml);
    const number = (name: string): number => {
      const value = Number(root.attributes[name] ?? NaN);
      if (!Number.isSafeInteger(value)) throw new Error(`notes without ${name}`);
      return value;
    };
    const cloudId = root.attributes['cloud'];
    if (local(root.name) !== 'instance' || !cloudId) return null;
    const child = (name: string): XmlElement | undefined => root.children.find((each) => local(each.name) === name);
    return {
      cloudId, generation: number('generation'), specGeneration: number('specGeneration'), diskGeneration: root.attributes['diskGeneration'] === undefined ? 1 : number('diskGeneration'),
      rebootCount: number('rebootCount'), sharedCpus: root.attributes['sharedCpus'] ?? '', frozen: readFrozen(child('frozen')?.attributes), ...readSpec(child('spec')?.text),
    };
  } catch {
    return null;
  }
}

function readSpec(spec: string | undefined): { shape: Shape | null; devices: OwnDevice[] } {
  try {
    const { vcpus, memoryMib, diskGib, layout } = JSON.parse(spec ?? '') as Record<string, unknown>;
    // Notes of before layouts have none, as guests had.
    const claimed = Layout.nullish().parse(layout);
    const shape = typeof vcpus === 'number' && typeof memoryMib === 'number' && typeof diskGib === 'number' ? { vcpus, memoryMib, diskGib, layout: layoutKey(claimed) } : null;
    return { shape, devices: devicesIn(claimed) };
  } catch {
    return { shape: null, devices: [] };
  }
}

function readFrozen(attributes: Readonly<Record<string, string>> | undefined): Frozen | null {
  if (!attributes?.['machine'] || !attributes['emulator']) return null;
  const text = (name: string): string => attributes[name] ?? '';
  return {
    renderVersion: Number(text('renderVersion')) || 1, virtType: text('virtType'), arch: text('arch'), machine: text('machine'), emulator: text('emulator'),
    cpuModel: text('cpuModel'), cpuFeatures: text('cpuFeatures'), diskCache: text('diskCache'),
  };
}
