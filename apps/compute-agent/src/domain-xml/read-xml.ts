/** A small strict reader for what libvirt answers: elements, attributes, text. No DTD, no namespaces, no recovery. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** Its own text, without its children's. */
  readonly text: string;
}

const TOKEN = /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<!\[CDATA\[([\s\S]*?)\]\]>|<\/([\w.:-]+)\s*>|<([\w.:-]+)((?:\s+[\w.:-]+\s*=\s*(?:'[^'<]*'|"[^"<]*"))*)\s*(\/?)>|([^<]+)/y;
const ATTRIBUTE = /([\w.:-]+)\s*=\s*(?:'([^']*)'|"([^"]*)")/g;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const MAX_DEPTH = 100;

interface Open { name: string; attributes: Record<string, string>; children: XmlElement[]; text: string }

/** The root element. @throws Error when the text is not one well-formed element */
export function readXml(text: string): XmlElement {
  const document: Open = { name: '', attributes: {}, children: [], text: '' };
  const stack: Open[] = [document];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const found = TOKEN.exec(text);
    if (!found) throw new Error(`malformed XML at ${at}`);
    const [, cdata, closing, opening, attributes, selfClosing, plain] = found;
    const top = stack[stack.length - 1]!;
    if (plain !== undefined) top.text += unescapeXml(plain);
    else if (cdata !== undefined) top.text += cdata;
    else if (opening !== undefined) {
      const element: Open = { name: opening, attributes: readAttributes(attributes ?? ''), children: [], text: '' };
      top.children.push(element);
      if (!selfClosing) stack.push(element);
      if (stack.length > MAX_DEPTH) throw new Error('XML nested too deeply');
    } else if (closing !== undefined && (stack.length < 2 || stack.pop()!.name !== closing)) throw new Error(`</${closing}> does not fit at ${at}`);
  }
  if (stack.length !== 1 || document.children.length !== 1 || document.text.trim() !== '') throw new Error('not one XML element');
  return document.children[0]!;
}

/** The first element on a path of child names, or undefined. */
export const findXml = (element: XmlElement | undefined, ...path: string[]): XmlElement | undefined =>
  path.reduce<XmlElement | undefined>((at, name) => at?.children.find((child) => child.name === name), element);

function readAttributes(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(ATTRIBUTE)].map(([, name, single, double]) => [name!, unescapeXml(single ?? double ?? '')]));
}

const unescapeXml = (text: string): string => text.replace(/&(#x[0-9a-fA-F]+|#\d+|\w+);/g, (whole, name: string) => {
  if (name[0] !== '#') return ENTITIES[name] ?? whole;
  const code = name[1] === 'x' ? parseInt(name.slice(2), 16) : parseInt(name.slice(1), 10);
  return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
});
