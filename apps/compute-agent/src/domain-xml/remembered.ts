/**
 * The whole instance as a domain's own notes tell it, for a host that lost its ledger and a control plane that lost its row.
 * The config drive's files are not among the notes. Null: not readable as ours.
 */
import { DesiredInstance } from '#libs/contracts';
import { readXml, type XmlElement } from './read-xml.js';

const local = (name: string): string => name.slice(name.indexOf(':') + 1);
const child = (element: XmlElement | undefined, name: string): XmlElement | undefined => element?.children.find((each) => local(each.name) === name);

export function rememberedIn(domainXml: string): DesiredInstance | null {
  try {
    const spec = child(child(child(readXml(domainXml), 'metadata'), 'instance'), 'spec')?.text;
    if (spec === undefined) return null;
    const parsed = DesiredInstance.safeParse({ ...(JSON.parse(spec) as object), configDrive: {} });
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
