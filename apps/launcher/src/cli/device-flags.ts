/** What is said of classes and pools on the command line, as the API takes it, and back in words. */
import { ConfigError } from '#libs/config';
import type { DeviceMatch, DeviceMatchChange, VfPolicy } from '#libs/contracts';

type Option = { type: 'string'; multiple?: boolean };
type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** Flags by what they say of a match; each takes a list with commas. */
const LISTS = {
  vendor: 'vendor', product: 'product', 'pci-class': 'pciClass', kind: 'kind', 'match-driver': 'driver', pf: 'pf', slot: 'slot', numa: 'numaNode', host: 'hosts',
} as const satisfies Record<string, keyof DeviceMatch>;

export const MATCH_OPTIONS = Object.fromEntries([...Object.keys(LISTS), 'host-label'].map((name) => [name, { type: 'string', multiple: true }])) as Record<keyof typeof LISTS | 'host-label', { type: 'string'; multiple: true }>;
export const POLICY_OPTIONS = Object.fromEntries(['trust', 'spoof-check', 'min-tx', 'max-tx', 'vlans', 'mac-prefix'].map((name) => [name, { type: 'string' }])) as Record<string, Option>;

const textsOf = (value: Values[string]): string[] | undefined => (value === undefined ? undefined : [value].flat().map(String));

/** What flags say of a match; null: an empty word (`--vendor ''`), which takes it away. */
export function matchChangeFrom(values: Values): DeviceMatchChange {
  const match: Record<string, unknown> = {};
  for (const [flag, field] of Object.entries(LISTS)) {
    const said = textsOf(values[flag]);
    if (said === undefined) continue;
    const words = said.flatMap((text) => text.split(',')).map((word) => word.trim()).filter((word) => word !== '');
    if (words.length === 0) match[field] = null;
    else match[field] = field === 'numaNode' ? words.map((word) => numberOf(`--${flag}`, word)) : field === 'vendor' || field === 'product' || field === 'pciClass' ? words.map((word) => word.toLowerCase().replace(/^0x/, '')) : words;
  }
  const labels = textsOf(values['host-label'])?.filter((text) => text !== '');
  if (labels !== undefined) {
    match['hostLabels'] = labels.length === 0 ? null : Object.fromEntries(labels.map(labelOf));
  }
  return match as DeviceMatchChange;
}

/** Of one that is made. */
export const matchFrom = (values: Values): DeviceMatch => Object.fromEntries(Object.entries(matchChangeFrom(values)).filter(([, value]) => value !== null)) as DeviceMatch;

function labelOf(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new ConfigError(`--host-label ${text}: it is KEY=VALUE, as the metadata of the host's aggregate has it.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

export function policyFrom(values: Values): Partial<VfPolicy> {
  const text = (name: string): string | undefined => { const value = values[name]; return typeof value === 'string' ? value : undefined; };
  const [trust, spoofCheck, minTx, maxTx, vlans, macPrefix] = ['trust', 'spoof-check', 'min-tx', 'max-tx', 'vlans', 'mac-prefix'].map(text);
  return {
    ...(trust !== undefined && { trust: onOrOff('--trust', trust) }), ...(spoofCheck !== undefined && { spoofCheck: onOrOff('--spoof-check', spoofCheck) }),
    ...(minTx !== undefined && { minTxMbps: numberOf('--min-tx', minTx) }), ...(maxTx !== undefined && { maxTxMbps: numberOf('--max-tx', maxTx) }),
    ...(vlans !== undefined && { vlans: vlansFrom(vlans) }), ...(macPrefix !== undefined && { macPrefix: macPrefix.toLowerCase() }),
  };
}

export function onOrOff(flag: string, word: string): boolean {
  if (word !== 'on' && word !== 'off') throw new ConfigError(`${flag} ${word}: it is on or off.`);
  return word === 'on';
}

export function numberOf(flag: string, word: string): number {
  if (!/^\d{1,9}$/.test(word)) throw new ConfigError(`${flag} ${word}: it is a number.`);
  return Number(word);
}

/** `100,200-203`; empty or `none`: untagged only. */
export function vlansFrom(text: string): number[] {
  if (text === '' || text === 'none') return [];
  const found = new Set<number>();
  for (const part of text.split(',')) {
    const [, first, last = first] = /^ *(\d{1,4})(?: *- *(\d{1,4}))? *$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === undefined || from < 1 || to > 4094 || from > to) throw new ConfigError(`--vlans ${text}: it is a list of 1 to 4094, such as 100,200-203.`);
    for (let vlan = from; vlan <= to; vlan += 1) found.add(vlan);
  }
  return [...found].sort((a, b) => a - b);
}

/** `0-3,8`, ascending. */
export function rangesText(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && number <= last[1] + 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(',');
}

/** `vendor 8086, product 10c9|1520, on host rack1-*`. */
export function matchText(match: DeviceMatch): string {
  const words = Object.entries(LISTS).flatMap(([flag, field]) => {
    const list = match[field];
    return list === undefined || list.length === 0 ? [] : [`${flag === 'match-driver' ? 'driver' : flag} ${list.join('|')}`];
  });
  const labels = Object.entries(match.hostLabels ?? {}).map(([key, value]) => `host-label ${key}=${value}`);
  return [...words, ...labels].join(', ') || 'nothing said';
}
