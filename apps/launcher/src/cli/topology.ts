/** `skylite host topology`: sockets, cells, cores, pages and PCI functions of a host as a tree, with who has what. */
import { parseArgs } from 'node:util';
import { ConfigError } from '#libs/config';
import type { HostTopology } from '#libs/contracts';
import type { ApiClient } from '../client.js';
import { rangesText } from './device-flags.js';
import { holderText, type NameOf } from './device-text.js';
import { asJson } from './devices.js';
import { serverNames } from './server-names.js';

type Cell = HostTopology['cells'][number];
type Core = Cell['cores'][number];
type Device = HostTopology['devices'][number];
interface Node { readonly text: string; readonly below: readonly Node[] }

export async function hostTopology(api: ApiClient, args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { json: { type: 'boolean', default: false }, all: { type: 'boolean', default: false } } });
  if (positionals.length !== 1 || !positionals[0]) throw new ConfigError('usage: skylite host topology HOST [--all] [--json]');
  const topology = await api.call<HostTopology>('GET', `/v1/hosts/${encodeURIComponent(positionals[0])}/topology`);
  if (values.json) return asJson(topology);
  const holders = [...topology.devices.map(({ holder }) => holder), ...topology.cells.flatMap(({ cores }) => cores.flatMap(({ cpus }) => cpus.map(({ holder }) => holder)))];
  process.stdout.write(`${topologyText(topology, await serverNames(api, holders, topology.host.name), values.all)}\n`);
  return 0;
}

/** @param all with functions that are in no pool, which most are */
export function topologyText(topology: HostTopology, nameOf: NameOf, all = false): string {
  const { host, sockets, cells, floating, groups } = topology;
  const shared = new Map(groups.flatMap(({ id, devices }) => devices.map((device) => [device, id] as const)));
  const branch = (device: Device): Node => deviceNode(device, topology, shared, nameOf, all);
  const roots = topology.devices.filter((device) => rootOf(device, topology) && (all || isShown(device, topology)));
  const cellNode = (cell: Cell): Node => node(cellText(cell), ...coreNodes(cell.cores, nameOf), ...roots.filter((device) => device.cell === cell.id).map(branch));
  const known = new Set(cells.map(({ id }) => id));
  const nowhere = roots.filter((device) => device.cell === null || !known.has(device.cell));
  const left = topology.devices.filter((device) => rootOf(device, topology)).length - roots.length;
  const tree = [
    ...sockets.map((socket) => node(`socket ${socket.id}`, ...cells.filter(({ id }) => socket.cells.includes(id)).map(cellNode))),
    ...(nowhere.length === 0 ? [] : [node('of no cell', ...nowhere.map(branch))]),
  ];
  return [
    `${host.name} (${host.id})  CPUs as of ${topology.reportedAt ?? 'never'}, devices as of ${topology.devicesReportedAt ?? 'never'}`,
    ...drawn(tree),
    `floating over shared CPUs: ${floating.servers} ${floating.servers === 1 ? 'server' : 'servers'}, ${floating.vcpus} vCPUs, ${floating.memoryMib} MiB`,
    ...(left > 0 ? [`${left} functions are in no pool or the host lives on them: --all`] : []), ...(topology.moreDevices ? ['… and more functions than fit: skylite device list --host'] : []),
  ].join('\n');
}

const node = (text: string, ...below: Node[]): Node => ({ text, below });

function drawn(nodes: readonly Node[], indent = ''): string[] {
  return nodes.flatMap((one, at) => {
    const last = at === nodes.length - 1;
    return [`${indent}${last ? '└─ ' : '├─ '}${one.text}`, ...drawn(one.below, `${indent}${last ? '   ' : '│  '}`)];
  });
}

const pageSize = (kib: number): string => (kib % 1_048_576 === 0 ? `${kib / 1_048_576} GiB` : kib % 1_024 === 0 ? `${kib / 1_024} MiB` : `${kib} KiB`);

const cellText = ({ id, memory, pages, distances }: Cell): string => [
  `cell ${id}`, `${memory.totalMib} MiB, ${memory.claimedMib} of them claimed here`, ...pages.map(({ kib, total, claimed }) => `pages of ${pageSize(kib)}: ${claimed} of ${total} claimed`), ...(distances.length > 1 ? [`distances ${distances.join(' ')}`] : []),
].join('; ');

/** Cores alike stand together; one whose threads differ stands alone. */
function coreNodes(cores: readonly Core[], nameOf: NameOf): Node[] {
  const alike = new Map<string, number[]>();
  for (const { cpus } of cores) {
    const words = cpus.map((cpu) => `${cpu.use}${cpu.use === 'dedicated' ? (cpu.holder === null ? ', free' : `, ${cpu.as ?? 'pinned'} for ${holderText(cpu.holder, nameOf)}`) : ''}`);
    const [first] = words;
    if (first === undefined) continue;
    const same = words.every((word) => word === first);
    const key = same ? first : words.map((word, at) => `CPU ${cpus[at]!.id} ${word}`).join('; ');
    alike.set(key, [...(alike.get(key) ?? []), ...cpus.map(({ id }) => id)]);
  }
  return [...alike].map(([words, cpus]) => node(words.startsWith('CPU ') ? `core ${rangesText(cpus)}: ${words}` : `CPUs ${rangesText(cpus)}: ${words}`));
}

const rootOf = (device: Device, { devices }: HostTopology): boolean => device.pf === null || !devices.some(({ identity }) => identity === device.pf?.identity);
const vfsOf = (device: Device, { devices }: HostTopology): Device[] => devices.filter(({ pf }) => pf !== null && pf.identity === device.identity).sort((a, b) => a.pf!.vf - b.pf!.vf);
const isShown = (device: Device, topology: HostTopology): boolean => device.pool !== null || device.holder !== null || !['unpooled', 'protected'].includes(device.state) || vfsOf(device, topology).length > 0;

function deviceNode(device: Device, topology: HostTopology, shared: ReadonlyMap<string, number>, nameOf: NameOf, all: boolean): Node {
  const vfs = vfsOf(device, topology);
  const keeps = vfs.length > 0 && device.state === 'unusable';
  const text = [
    `${device.pf === null ? '' : `VF ${device.pf.vf}  `}${device.address ?? 'not there'}`, device.identity, `${device.vendor ?? '?'}:${device.product ?? '?'}`, device.driver ?? 'no driver', ...(device.interface === null ? [] : [device.interface]),
    ...(device.iommuGroup === null ? ['no IOMMU group'] : [`group ${device.iommuGroup}${shared.has(device.id) ? ' (shared)' : ''}`]), ...(device.sriov === null || device.sriov.totalVfs === 0 ? [] : [`${device.sriov.numVfs} of ${device.sriov.totalVfs} VFs`]),
    ...(device.pool === null ? [] : [`${device.className ?? '?'} of pool ${device.pool}`]), keeps ? 'keeps VFs' : device.state, ...(device.holder === null ? [] : [holderText(device.holder, nameOf)]),
    ...(device.reason === null || keeps || (!all && (device.state === 'unpooled' || device.state === 'protected')) ? [] : [`· ${device.reason}`]),
  ].join('  ');
  return node(text, ...vfs.map((vf) => deviceNode(vf, topology, shared, nameOf, all)));
}
