/** An XML tree and its text. Escapes everything; refuses what XML 1.0 cannot hold rather than dropping it silently. */
export interface XmlNode {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly children: readonly (XmlNode | string)[];
}

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element; attributes that are undefined and children that are null are left out. */
export function el(name: string, attributes: Attributes = {}, ...children: readonly (XmlNode | string | null)[]): XmlNode {
  const given = Object.entries(attributes).filter((pair): pair is [string, string | number] => pair[1] !== undefined);
  return { name, attributes: Object.fromEntries(given), children: children.filter((child) => child !== null) };
}

const NAME = /^[A-Za-z_][\w.-]*(:[A-Za-z_][\w.-]*)?$/;
// eslint-disable-next-line no-control-regex -- exactly the characters that XML 1.0 has no way to write
const IMPOSSIBLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&apos;', '"': '&quot;', '\n': '&#10;', '\r': '&#13;', '\t': '&#9;' };

/** @throws Error for characters that XML cannot hold */
export function escapeXml(text: string): string {
  if (IMPOSSIBLE.test(text)) throw new Error('text holds a character that XML cannot hold');
  return text.replace(/[&<>'"\n\r\t]/g, (character) => ESCAPES[character]!);
}

/** `text` with what XML cannot hold, and line ends, replaced: for words that only people read. */
export const displayText = (text: string): string => text.replace(new RegExp(IMPOSSIBLE, 'g'), '\ufffd').replace(/[\r\n\t]+/g, ' ').trim();

/** Two blanks a level; text-only elements on one line, so that no blank is added to a value. */
export function renderXml(node: XmlNode, indent = ''): string {
  if (!NAME.test(node.name)) throw new Error(`not an XML name: ${node.name}`);
  const attributes = Object.entries(node.attributes).map(([name, value]) => {
    if (!NAME.test(name)) throw new Error(`not an XML name: ${name}`);
    return ` ${name}='${escapeXml(String(value))}'`;
  }).join('');
  const open = `${indent}<${node.name}${attributes}`;
  if (node.children.length === 0) return `${open}/>\n`;
  if (node.children.every((child) => typeof child === 'string')) return `${open}>${node.children.map((child) => escapeXml(child)).join('')}</${node.name}>\n`;
  const inner = node.children.map((child) => (typeof child === 'string' ? `${indent}  ${escapeXml(child)}\n` : renderXml(child, `${indent}  `))).join('');
  return `${open}>\n${inner}${indent}</${node.name}>\n`;
}
