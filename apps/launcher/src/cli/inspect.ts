import type { z } from 'zod';
import type { inspectServer as contract, TimelineEntry } from '#libs/contracts';
import { ApiClient, ApiError } from '../client.js';
import { serverDevicesText, type DeviceOfServer } from './server-devices.js';
import { serverIdOf } from './server-names.js';
import { timelineText } from './timeline.js';

type Inspection = z.output<typeof contract.output>;

/** What is known of one server, for the operator at night; `full` adds the host's ledger and the domain's XML. */
export async function inspectServer(api: ApiClient, idOrName: string, full: boolean): Promise<number> {
  const found = await api.call<Inspection>('GET', `/v1/servers/${await serverIdOf(api, idOrName)}/inspect`);
  const { instance } = found;
  const lines: [string, string | null | undefined][] = [
    ['server', `${instance.name} (${instance.id})`], ['project', instance.projectId],
    ['intent', `${instance.intent}, generation ${instance.generation}, spec ${instance.specGeneration}, reboots ${instance.rebootCount}`],
    ['step', found.step], ['waiting for', found.waitingFor ?? 'nothing'], ['attempts', String(found.attempts)], ['looked at next', found.reconcileAt ?? 'when something changes'],
    ['last error', found.lastError ?? 'none'],
    ['fault', instance.fault ? `${instance.fault.message}${instance.fault.details ? `\n${indent(instance.fault.details)}` : ''} (since ${instance.fault.createdAt})` : 'none'],
    ['host', instance.hostName ?? 'none'],
    ['layout', layoutText(instance.layout)],
    ['observed', `${instance.observedState ?? 'nothing yet'} at generation ${instance.observedGeneration}, reboots ${instance.observedRebootCount}`],
  ];
  for (const [name, value] of lines) process.stdout.write(`${name.padEnd(15)} ${value ?? ''}\n`);
  const devices = (await api.call<{ server: { devices: DeviceOfServer[] } }>('GET', `/v1/servers/${instance.id}`).catch(gone))?.server.devices ?? [];
  if (devices.length > 0) process.stdout.write(`\ndevices\n${serverDevicesText(devices)}\n`);
  if (found.placement) {
    process.stdout.write(`\nplacement: ${found.placement.hostsConsidered} hosts considered, snapshot of ${found.placement.snapshotAt}\n`);
    for (const filter of found.placement.filters) {
      process.stdout.write(`  ${filter.name.padEnd(18)} refused ${filter.refused}: ${filter.reason}\n`);
      for (const host of filter.hosts.slice(0, 10)) process.stdout.write(`    ${host.name}: needed ${host.needed}, free ${host.free}\n`);
    }
  }
  const { timeline } = await api.call<{ timeline: TimelineEntry[] }>('GET', `/v1/servers/${instance.id}/timeline`);
  process.stdout.write(`\ntimeline\n${timelineText(timeline, Date.now())}\n`);
  process.stdout.write(`\nhost's view\n${found.host ? hostView(found.host, full) : `  ${found.hostError ?? 'not on a host'}`}\n`);
  return 0;
}

/** A deleted server has none. */
function gone(error: unknown): undefined {
  if (error instanceof ApiError && error.status === 404) return undefined;
  throw error;
}

/** `cell 0: 0→2 1→3, 64 MiB of 2048 KiB pages`, one for each cell of the guest. */
function layoutText(layout: Inspection['instance']['layout']): string {
  const cells = layout?.cells ?? [];
  if (cells.length === 0) return 'floats over the shared CPUs of its host';
  const emulator = layout?.emulatorCpu === null || layout === null || layout === undefined ? [] : [`emulator on ${layout.emulatorCpu}`];
  return [...cells.map(({ hostCell, memoryMib, pageKib, pins, floating }) => [
    `cell ${hostCell}: ${[...pins.map(({ guest, host }) => `${guest}→${host}`), ...(floating.length > 0 ? ['floating', ...floating] : [])].join(' ')}`,
    `${memoryMib} MiB${pageKib === null ? '' : ` of ${pageKib} KiB pages`}`,
  ].join(', ')), ...emulator].join('; ');
}

function hostView(host: NonNullable<Inspection['host']>, full: boolean): string {
  if (full) return indent(JSON.stringify(host, null, 2).replaceAll('\\n', '\n      '));
  const { domain, plan } = (host['observed'] ?? {}) as { domain?: { name: string; power: string; notes?: { generation: number } | null } | null; plan?: { steps: unknown[]; doing: unknown; error: unknown } | null };
  const files = (host['files'] ?? []) as { path: string; bytes: number }[];
  const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
  const lines: [string, string][] = [
    ['host', `${text(host['hostname'] ?? '?')}, ${text(host['virtType'] ?? '?')}`],
    ['domain', domain ? `${domain.name}, ${domain.power}, made of generation ${domain.notes?.generation ?? '?'}` : 'none'],
    ['doing', plan?.doing ? text(plan.doing) : 'nothing'], ['next steps', plan && plan.steps.length > 0 ? plan.steps.map(text).join(', ') : 'none'], ['error', plan?.error ? text(plan.error) : 'none'],
    ...files.map(({ path, bytes }, n): [string, string] => [n === 0 ? 'files' : '', `${path} (${bytes} bytes)`]),
  ];
  return lines.map(([name, value]) => `  ${name.padEnd(13)} ${value}`).join('\n');
}

const indent = (text: string): string => text.split('\n').map((line) => `  ${line}`).join('\n');
