// A domain's XML as the fake keeps it: the text as it was given, and the few facts libvirtd itself would act on.
import { LibvirtError } from '../errors.js';
import { aliasOf, hostDevicesOf, type HostDevice } from './host-devices.js';
import { childOf, parseXml, textOf, type XmlElement } from './xml.js';

export interface DomainDoc {
  readonly xml: string;
  readonly name: string;
  readonly uuid: string;
  readonly memoryKiB: number;
  readonly vcpus: number;
  /** Serial ports and consoles: how many a console stream could choose from. */
  readonly consoles: number;
  /** Devices of the host that it is given. */
  readonly hostDevices: readonly HostDevice[];
}

const INTERNAL_ERROR = 1;
const XML_ERROR = 27;
const NO_NAME = 21;
const NO_DOMAIN_METADATA = 80;
const UUID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;
const UNIT_KIB: Readonly<Record<string, number>> = {
  b: 1 / 1024, bytes: 1 / 1024, KB: 1000 / 1024, K: 1, KiB: 1, MB: 1e6 / 1024, M: 1024, MiB: 1024, GB: 1e9 / 1024, G: 1024 ** 2, GiB: 1024 ** 2, T: 1024 ** 3, TiB: 1024 ** 3,
};

function dashed(uuid: string): string {
  const hex = uuid.replaceAll('-', '').toLowerCase();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function memory(xml: string, root: XmlElement): number {
  const element = childOf(root, 'memory');
  if (!element) throw new LibvirtError(XML_ERROR, "XML error: missing element or attribute 'memory'");
  const unit = UNIT_KIB[element.attributes.get('unit') ?? 'KiB'];
  const amount = Number(textOf(xml, element));
  if (unit === undefined || !Number.isInteger(amount) || amount <= 0) throw new LibvirtError(XML_ERROR, 'XML error: Invalid memory amount');
  return Math.ceil(amount * unit);
}

/** Reads a domain's XML. @throws LibvirtError as libvirtd does for XML it cannot use */
export function readDomainXml(given: string, newUuid: () => string): DomainDoc {
  let xml = given;
  const root = parseXml(xml);
  if (root.name !== 'domain') throw new LibvirtError(XML_ERROR, `XML error: expecting root element of 'domain', not '${root.name}'`);
  const nameElement = childOf(root, 'name');
  const name = nameElement ? textOf(xml, nameElement) : '';
  if (!nameElement || name === '') throw new LibvirtError(NO_NAME, 'missing name information');
  const uuidElement = childOf(root, 'uuid');
  let uuid = uuidElement ? textOf(xml, uuidElement) : '';
  if (uuidElement && !UUID.test(uuid)) throw new LibvirtError(INTERNAL_ERROR, 'internal error: malformed uuid element');
  uuid = uuidElement ? dashed(uuid) : newUuid();
  const memoryKiB = memory(xml, root);
  const vcpuElement = childOf(root, 'vcpu');
  const vcpus = vcpuElement ? Number(textOf(given, vcpuElement)) : 1;
  if (!Number.isInteger(vcpus) || vcpus < 1) throw new LibvirtError(XML_ERROR, 'XML error: invalid vcpu count');
  const devices = childOf(root, 'devices');
  const consoles = devices?.children.filter((child) => child.name === 'serial' || child.name === 'console').length ?? 0;
  if (!uuidElement) xml = `${xml.slice(0, nameElement.to)}\n  <uuid>${uuid}</uuid>${xml.slice(nameElement.to)}`;
  // libvirt ignores an id in a definition; ours would otherwise stand there twice when running.
  const tagEnd = root.contentFrom;
  xml = xml.slice(0, root.from) + xml.slice(root.from, tagEnd).replace(/\sid\s*=\s*('[^']*'|"[^"]*")/, '') + xml.slice(tagEnd);
  return { xml, name, uuid, memoryKiB, vcpus, consoles, hostDevices: hostDevicesOf(devices) };
}

const devicesOf = (doc: DomainDoc): XmlElement | undefined => childOf(parseXml(doc.xml), 'devices');
const reread = (doc: DomainDoc, xml: string): DomainDoc => readDomainXml(xml, () => doc.uuid);

export const hasDevice = (doc: DomainDoc, alias: string): boolean => devicesOf(doc)?.children.some((device) => aliasOf(device) === alias) === true;

/** The document with one device more, the last one. */
export function withDevice(doc: DomainDoc, device: string): DomainDoc {
  const devices = devicesOf(doc);
  const put = (from: number, to: number, text: string): DomainDoc => reread(doc, doc.xml.slice(0, from) + text + doc.xml.slice(to));
  if (devices && devices.contentFrom < devices.to) {
    const at = devices.children.at(-1)?.to ?? devices.contentFrom;
    return put(at, at, `\n    ${device.trim()}`);
  }
  const at = parseXml(doc.xml).contentTo;
  return put(devices?.from ?? at, devices?.to ?? at, `<devices>${device.trim()}</devices>`);
}

/** The document without the device of that alias, and without the gap it would leave. */
export function withoutDevice(doc: DomainDoc, alias: string): DomainDoc {
  const device = devicesOf(doc)?.children.find((each) => aliasOf(each) === alias);
  return device ? reread(doc, doc.xml.slice(0, device.from).trimEnd() + doc.xml.slice(device.to)) : doc;
}

/** The document as a running domain shows it. */
export function withId(doc: DomainDoc, id: number): string {
  return doc.xml.replace(/<domain(?=[\s>])/, `<domain id='${id}'`);
}

function metadataElement(root: XmlElement, uri: string): XmlElement | undefined {
  return childOf(root, 'metadata')?.children.find((child) => {
    const colon = child.name.indexOf(':');
    return child.attributes.get(colon < 0 ? 'xmlns' : `xmlns:${child.name.slice(0, colon)}`) === uri;
  });
}

/** The metadata element of a namespace, without the namespace, as libvirt gives it. @throws LibvirtError NO_DOMAIN_METADATA */
export function getMetadata(doc: DomainDoc, uri: string): string {
  const element = metadataElement(parseXml(doc.xml), uri);
  if (!element) throw new LibvirtError(NO_DOMAIN_METADATA, 'metadata not found: Requested metadata element is not present');
  const colon = element.name.indexOf(':');
  const prefix = colon < 0 ? '' : element.name.slice(0, colon + 1);
  const declaration = new RegExp(`\\sxmlns${prefix ? `:${prefix.slice(0, -1)}` : ''}\\s*=\\s*('[^']*'|"[^"]*")`);
  const text = doc.xml.slice(element.from, element.to).replace(declaration, '');
  return prefix ? text.replaceAll(`<${prefix}`, '<').replaceAll(`</${prefix}`, '</') : text;
}

/** The document with a namespace's metadata element set, or removed by null. */
export function setMetadata(doc: DomainDoc, uri: string, key: string, xml: string | null): DomainDoc {
  const root = parseXml(doc.xml);
  const old = metadataElement(root, uri);
  let text = '';
  if (xml !== null) {
    const element = parseXml(xml);
    const name = `${key}:${element.name.slice(element.name.indexOf(':') + 1)}`;
    const open = xml.slice(element.from + 1 + element.name.length, element.contentFrom);
    const selfClosing = element.contentFrom === element.to;
    // libvirt puts the whole element into the namespace: its children get the prefix too.
    const content = xml.slice(element.contentFrom, element.contentTo).replace(/<(\/?)([A-Za-z_][\w.-]*)(?=[\s/>])/g, `<$1${key}:$2`);
    text = `<${name} xmlns:${key}="${uri.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"${open}` + (selfClosing ? '' : `${content}</${name}>`);
  }
  const splice = (from: number, to: number, insert: string): DomainDoc => ({ ...doc, xml: doc.xml.slice(0, from) + insert + doc.xml.slice(to) });
  if (old) return splice(old.from, old.to, text);
  if (xml === null) return doc;
  const metadata = childOf(root, 'metadata');
  if (metadata && metadata.contentFrom < metadata.to) return splice(metadata.contentTo, metadata.contentTo, text);
  if (metadata) return splice(metadata.from, metadata.to, `<metadata>${text}</metadata>`);
  const after = childOf(root, 'uuid')!.to;
  return splice(after, after, `\n  <metadata>${text}</metadata>`);
}
