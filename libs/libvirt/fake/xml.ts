// A tiny strict XML reader for the fake: well-formed elements, attributes, text, comments and CDATA, with the places they
// stand at, so that a document can be cut and mended as text. No DTD, no entities beyond the five, no namespaces logic.
import { LibvirtError } from '../errors.js';

export interface XmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Offsets in the text: of '<', of the first and past the last byte of the content, past the closing '>'. */
  readonly from: number;
  readonly contentFrom: number;
  readonly contentTo: number;
  readonly to: number;
}

const XML_DETAIL = 35; // libvirt's number for XML that is not well-formed
const MAX_DEPTH = 64;
const NAME = /[A-Za-z_][\w.:-]*/y;
const ATTRIBUTE = /\s+([A-Za-z_][\w.:-]*)\s*=\s*(?:'([^'<]*)'|"([^"<]*)")/y;
const TAG_END = /\s*(\/?)>/y;
const CLOSE_END = /\s*>/y;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

export function unescapeXml(text: string): string {
  return text.replace(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, name: string) => {
    if (name[0] !== '#') return ENTITIES[name] ?? whole;
    const code = name[1] === 'x' || name[1] === 'X' ? parseInt(name.slice(2), 16) : parseInt(name.slice(1), 10);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** The root element. @throws LibvirtError XML_DETAIL when the text is not one well-formed element */
export function parseXml(text: string): XmlElement {
  const fail = (what: string, at: number): LibvirtError => new LibvirtError(XML_DETAIL, `(domain_definition):${text.slice(0, at).split('\n').length}: ${what}`);
  let at = 0;

  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  /** Skips a comment, processing instruction or CDATA section; false when there is none here. */
  const skip = (): boolean => {
    for (const [open, close] of [['<!--', '-->'], ['<?', '?>'], ['<![CDATA[', ']]>']] as const) {
      if (!text.startsWith(open, at)) continue;
      const end = text.indexOf(close, at + open.length);
      if (end < 0) throw fail(`${open} without end`, at);
      at = end + close.length;
      return true;
    }
    return false;
  };
  const element = (depth: number): XmlElement => {
    const from = at++;
    if (depth > MAX_DEPTH) throw fail('elements nested too deeply', from);
    const name = match(NAME)?.[0];
    if (name === undefined) throw fail('StartTag: invalid element name', from);
    const attributes = new Map<string, string>();
    for (let found = match(ATTRIBUTE); found; found = match(ATTRIBUTE)) {
      if (attributes.has(found[1]!)) throw fail(`Attribute ${found[1]} redefined`, at);
      attributes.set(found[1]!, unescapeXml(found[2] ?? found[3] ?? ''));
    }
    const end = match(TAG_END);
    if (!end) throw fail(`Couldn't find end of Start Tag ${name}`, at);
    const contentFrom = at;
    if (end[1] === '/') return { name, attributes, children: [], from, contentFrom, contentTo: contentFrom, to: at };
    const children: XmlElement[] = [];
    for (;;) {
      const next = text.indexOf('<', at);
      if (next < 0) throw fail(`Premature end of data in tag ${name}`, text.length);
      at = next;
      if (skip()) continue;
      if (text[at + 1] === '/') {
        const contentTo = at;
        at += 2;
        if (match(NAME)?.[0] !== name || !match(CLOSE_END)) throw fail(`Opening and ending tag mismatch: ${name}`, contentTo);
        return { name, attributes, children, from, contentFrom, contentTo, to: at };
      }
      children.push(element(depth + 1));
    }
  };
  const between = (): void => {
    for (;;) {
      match(/\s*/y);
      if (!skip()) return;
    }
  };
  between();
  if (text[at] !== '<') throw fail("Document is empty or does not start with '<'", at);
  const root = element(0);
  between();
  if (at !== text.length) throw fail('Extra content at the end of the document', at);
  return root;
}

export function childOf(element: XmlElement, name: string): XmlElement | undefined {
  return element.children.find((child) => child.name === name);
}

export function textOf(text: string, element: XmlElement): string {
  return unescapeXml(text.slice(element.contentFrom, element.contentTo)).trim();
}
