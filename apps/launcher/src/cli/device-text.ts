/** Devices as text: rows, one in full, its history, what a change would do. Pure. */
import type { DeviceClassView, DevicePlan, DevicePoolView, DeviceView, deviceHistory, OutputOf, releaseDevice } from '#libs/contracts';
import { matchText, rangesText } from './device-flags.js';
import { table } from './table.js';

type History = OutputOf<typeof deviceHistory>;
/** A server's name for its id, where it is known. */
export type NameOf = (id: string) => string | undefined;

export const holderText = (id: string | null, nameOf: NameOf): string => (id === null ? '-' : [nameOf(id), id].filter(Boolean).join(' '));

/** A PF that keeps VFs is as it should be: only its VFs are given out. */
export function stateText({ state, device, pool }: Pick<DeviceView, 'state' | 'device' | 'pool'>): string {
  return state === 'unusable' && device.kind === 'pf' && pool !== null && device.condition === null && (device.sriov?.numVfs ?? 0) > 0 ? 'keeps VFs' : state;
}

/** What an operator's word did. An older scheduler does not say: it only released. */
export function releaseText(answer: { device: DeviceView; did?: OutputOf<typeof releaseDevice>['did'] }): string {
  const { device: view, did } = answer;
  const name = `${view.device.identity} on ${view.host.name}`;
  if (did === 'vouched') return `${name} stays with its server, and is the one it is taken for, as you say; its host hears of it now. Whether it is clean is looked at when the server gives it back.`;
  if (did === 'forgotten') return `${name} is given up: nothing waits for it any more. Should it come back, it is made clean first.`;
  return `${name} is released; it is ${stateText(view)} now.${view.reason === null ? '' : ` ${view.reason}`}`;
}

const orDash = (value: string | number | null | undefined): string => (value === null || value === undefined || value === '' ? '-' : String(value));

export function devicesText(devices: readonly DeviceView[], nameOf: NameOf): string {
  return table(['HOST', 'ADDRESS', 'KIND', 'ID', 'CLASS', 'POOL', 'NUMA', 'GROUP', 'STATE', 'HOLDER', 'IDENTITY'], devices.map((view) => [
    view.host.name, view.device.address, view.device.kind, `${view.device.vendor}:${view.device.product}`, orDash(view.className), orDash(view.pool?.name), orDash(view.device.numaNode), orDash(view.device.iommuGroup),
    stateText(view), holderText(view.holder, nameOf), view.device.identity,
  ]));
}

export function deviceText(view: DeviceView, nameOf: NameOf): string {
  const { device } = view;
  const lines: [string, string][] = [
    ['device', `${device.identity} (${view.id})`], ['identity', device.identityStrength === 'strong' ? 'strong: its own, wherever it stands' : 'weak: only its slot tells it from another'],
    ['host', `${view.host.name} (${view.host.id})`], ['address', `${device.address}, as of ${view.seenAt}`],
    ['function', `${device.kind} ${device.vendor}:${device.product}, class ${device.pciClass}${device.subsystemVendor === null ? '' : `, subsystem ${device.subsystemVendor}:${device.subsystemProduct ?? '?'}`}`],
    ...(device.pf === null ? [] : [['VF', `${device.pf.vf} of ${device.pf.identity}`] as [string, string]]),
    ...(device.sriov === null ? [] : [['VFs', `${device.sriov.numVfs} of at most ${device.sriov.totalVfs}`] as [string, string]]),
    ['driver', orDash(device.driver)],
    ...(device.network === null ? [] : [['interface', `${device.network.name}, link ${device.network.link}${device.network.permanentMac === null ? '' : `, ${device.network.permanentMac}`}`] as [string, string]]),
    ['NUMA node', orDash(device.numaNode)], ['IOMMU group', `${orDash(device.iommuGroup)}${device.mates.length === 0 ? '' : ` with ${device.mates.join(', ')}`}`],
    ['reset', device.resetMethods.join(', ') || 'none'],
    ['class, pool', `${orDash(view.className)}, ${orDash(view.pool?.name)}`],
    ['state', stateText(view)], ...(view.reason === null ? [] : [['why', view.reason] as [string, string]]),
    ['holder', holderText(view.holder, nameOf)], ['generation', `${view.generation}, clean at ${orDash(device.cleanAt)}`],
  ];
  return lines.map(([label, value]) => `${label.padEnd(13)} ${value}`).join('\n');
}

export function historyText({ events, holders }: Pick<History, 'events' | 'holders'>, nameOf: NameOf, identities = false): string {
  const had = holders.map(({ deviceId, instanceId, generation, since, until }) => [String(generation), holderText(instanceId, nameOf), since ?? '?', until ?? 'has it', ...(identities ? [events.find((event) => event.deviceId === deviceId)?.identity ?? deviceId] : [])]);
  const happened = events.map((event) => [
    event.at, event.kind, String(event.generation), ...(identities ? [event.identity] : []),
    [event.message, event.instanceId === null ? '' : `[${holderText(event.instanceId, nameOf)}]`, event.userName === null && event.userId === null ? '' : `by ${event.userName ?? event.userId ?? ''}`].filter((part) => part !== '').join('  '),
  ]);
  return [
    holders.length === 0 ? 'No server has had it.' : `holders\n${table(['GENERATION', 'SERVER', 'FROM', 'TO', ...(identities ? ['DEVICE'] : [])], had)}`,
    ...(events.length === 0 ? [] : [`\nevents\n${table(['TIME', 'WHAT', 'GENERATION', ...(identities ? ['DEVICE'] : []), ''], happened)}`]),
  ].join('\n');
}

/** Behind a number of functions. */
const DOES: readonly [DevicePlan['effects'][number]['does'], string][] = [
  ['make-vfs', 'to get VFs'], ['joins', 'to join'], ['leaves', 'to leave'], ['changes-class', 'to be given out or not any more'], ['changes-policy', 'to get another policy'], ['bind', 'to lose the driver'], ['refused', 'to be left out'],
];
const SHOWN = 40;

/** What a change does, what stands against it, and whom it would hit. */
export function planText(plan: DevicePlan, nameOf: NameOf = () => undefined): string {
  const counts = DOES.flatMap(([does, words]) => ((plan.counts[does] ?? 0) > 0 ? [`${plan.counts[does]!} ${words}`] : []));
  const shown = plan.effects.slice(0, SHOWN);
  const left = counts.length === 0 ? 0 : Object.values(plan.counts).reduce((sum, count) => sum + count, 0) - shown.length;
  return [
    counts.length === 0 ? 'Nothing changes on any host.' : `On ${plan.hosts} ${plan.hosts === 1 ? 'host' : 'hosts'}: ${counts.join(', ')}.`,
    ...shown.map(({ sentence }) => `  ${sentence}`), ...(left > 0 ? [`  … and ${left} more.`] : []),
    ...plan.warnings.map(({ code, sentence }) => `WARNING  ${sentence} (${code})`),
    ...plan.refusals.flatMap(({ code, sentence, servers }) => [`REFUSED  ${sentence} (${code})`, ...servers.map(({ id, hostName, identity }) => `           ${holderText(id, nameOf)} on ${hostName}: ${identity}`)]),
  ].join('\n');
}

const countsText = ({ counts }: Pick<DeviceClassView, 'counts'>): string[] => [String(counts.total), String(counts.available), String(counts.claimed), String(counts.scrubbing), String(counts.quarantined), String(counts.unusable + counts.missing), String(counts.hosts), String(counts.mostAvailablePerHost)];
const COUNTS = ['DEVICES', 'FREE', 'IN USE', 'SCRUBBING', 'QUARANTINED', 'NOT USABLE', 'HOSTS', 'FREE ON ONE HOST'];

export const classesText = (classes: readonly DeviceClassView[]): string =>
  table(['NAME', ...COUNTS, 'NUMA', 'ATTACH', 'SANITIZER', 'POOLS', 'MATCHES'], classes.map((one) => [one.name, ...countsText(one), one.numaPolicy, one.attach, one.sanitizer, one.pools.join(',') || '-', matchText(one.match)]));

export function poolsText(pools: readonly DevicePoolView[]): string {
  const problems = pools.flatMap(({ name, problems: of }) => of.map(({ hostName, identity, code, sentence }) => `${name} on ${hostName}, ${identity}: ${sentence} (${code})`));
  return [
    table(['NAME', 'CLASS', 'GIVES', ...COUNTS, 'DRIVER', 'NETWORK', 'VLANS', 'MATCHES', 'ID'], pools.map((one) => [
      one.name, one.className, one.mode === 'vfs' ? `${one.vfCount ?? 'all'} VFs of each PF` : `whole functions${one.groupTogether ? '' : ', no groups'}`, ...countsText(one), one.driver, orDash(one.physicalNetwork), rangesText(one.policy.vlans) || 'untagged', matchText(one.match), one.id,
    ])),
    ...(problems.length === 0 ? [] : [`\nnot applied\n${problems.map((line) => `  ${line}`).join('\n')}`]),
  ].join('\n');
}
