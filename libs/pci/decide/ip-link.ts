/** What `ip -j link show` says of interfaces and VFs, and what `ip link set` wants to hear. Pure; owns nothing. */
import type { VfSettings } from '../api.js';

/** @returns null when there is no such interface or the text is none of ip's; VFs it says nothing of are left out */
export function vfsOf(json: string, network: string): readonly VfSettings[] | null {
  const link = linksOf(json)?.find((one) => one.ifname === network);
  if (link === undefined) return null;
  return (link.vfinfo_list ?? []).flatMap((vf) => {
    if (typeof vf.vf !== 'number' || typeof vf.address !== 'string') return [];
    const tag = vf.vlan_list?.find((one) => typeof one.vlan === 'number');
    return [{
      index: vf.vf, mac: vf.address.toLowerCase(), vlan: tag?.vlan ?? 0, qos: tag?.qos ?? 0,
      spoofCheck: vf.spoofchk === true, trust: vf.trust === true,
      minTxMbps: vf.rate?.min_tx ?? 0, maxTxMbps: vf.rate?.max_tx ?? vf.tx_rate ?? 0,
    }];
  }).sort((a, b) => a.index - b.index);
}

/** Is its cable in, to the moment? null: there is no such interface, or the text is none of ip's. NO-CARRIER would follow up to a second late. */
export function carrierOf(json: string, network: string): boolean | null {
  return linksOf(json)?.find((one) => one.ifname === network)?.flags?.includes('LOWER_UP') ?? null;
}

/** What the kernel calls an interface's address is as long as its kind of network has it. @returns null when it is no MAC of six bytes */
export function tryMac(text: string): string | null {
  const mac = text.trim().toLowerCase();
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) ? mac : null;
}

/** The MAC that an interface has had from the factory, by its name; null: it has none. */
export function permanentMacs(json: string): ReadonlyMap<string, string | null> {
  return new Map((linksOf(json) ?? []).flatMap((link) => {
    const mac = link.permaddr ?? link.address;
    return typeof link.ifname === 'string' && typeof mac === 'string' ? [[link.ifname, tryMac(mac)] as const] : [];
  }));
}

/** Arguments of `ip` that set it, all in one: the kernel takes them in one message. VLAN and priority are given together. */
export function setVfArguments(network: string, index: number, settings: Partial<Omit<VfSettings, 'index'>>): string[] {
  const { mac, vlan, qos, spoofCheck, trust, minTxMbps, maxTxMbps } = settings;
  const onOff = (value: boolean): string => (value ? 'on' : 'off');
  return [
    'link', 'set', 'dev', network, 'vf', String(index),
    ...(mac === undefined ? [] : ['mac', mac]),
    ...(vlan === undefined && qos === undefined ? [] : ['vlan', String(vlan ?? 0), 'qos', String(qos ?? 0)]),
    ...(spoofCheck === undefined ? [] : ['spoofchk', onOff(spoofCheck)]),
    ...(trust === undefined ? [] : ['trust', onOff(trust)]),
    ...(maxTxMbps === undefined ? [] : ['max_tx_rate', String(maxTxMbps)]),
    ...(minTxMbps === undefined ? [] : ['min_tx_rate', String(minTxMbps)]),
  ];
}

interface Link {
  readonly ifname?: string; readonly address?: string; readonly permaddr?: string; readonly flags?: readonly string[];
  readonly vfinfo_list?: readonly {
    readonly vf?: number; readonly address?: string; readonly vlan_list?: readonly { readonly vlan?: number; readonly qos?: number }[];
    readonly spoofchk?: boolean; readonly trust?: boolean; readonly tx_rate?: number; readonly rate?: { readonly min_tx?: number; readonly max_tx?: number };
  }[];
}

function linksOf(json: string): readonly Link[] | null {
  try {
    const value: unknown = JSON.parse(json);
    return Array.isArray(value) ? value as readonly Link[] : null;
  } catch {
    return null;
  }
}
