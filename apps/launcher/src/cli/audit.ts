/** `skylite audit`: the audit trail, newest first; as JSON lines; or as it grows. */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { ConfigError } from '#libs/config';
import type { AuditRecord } from '#libs/contracts';
import { ApiError, type ApiClient } from '../client.js';
import { table } from './table.js';

const FILTERS = ['user', 'project', 'domain', 'service', 'action', 'outcome', 'kind', 'target', 'address', 'request', 'since', 'before'] as const;
const FOLLOW_MS = 1_000;

interface Page { records: AuditRecord[]; next: string | null; more: boolean }

export async function auditTrail(api: ApiClient, args: string[]): Promise<number> {
  const { values } = parseArgs({
    args, options: { ...(Object.fromEntries(FILTERS.map((name) => [name, { type: 'string' }])) as Record<(typeof FILTERS)[number], { type: 'string' }>), limit: { type: 'string' }, jsonl: { type: 'boolean', default: false }, follow: { type: 'boolean', default: false } },
  });
  const query = new URLSearchParams(FILTERS.flatMap((name) => { const value = values[name]; return value === undefined ? [] : [[name, value] as [string, string]]; }));
  if (values.follow) return follow(api, query, values.jsonl);
  if (values.jsonl) return everything(api, query);
  query.set('limit', values.limit ?? '50');
  const { records, more } = await api.call<Page>('GET', `/v1/audit?${query.toString()}`);
  if (records.length === 0) process.stdout.write('Nothing.\n');
  else process.stdout.write(`${table(['TIME', 'WHO', 'FROM', 'SERVICE', 'ACTION', 'ON', 'OUTCOME', 'REQUEST'], records.map(cells))}\n${more ? '… and older ones: --limit N, --before TIME, or --jsonl for all.\n' : ''}`);
  return 0;
}

const cells = (record: AuditRecord): string[] => [
  record.at.slice(0, 19), record.userName ?? record.userId ?? '-', record.address ?? '-', record.service, record.action,
  [record.targetKind, record.targetId].filter((part) => part !== null).join(' '), record.outcome, record.requestId ?? '-',
];

/** All of it, in the order in which it happened. */
async function everything(api: ApiClient, query: URLSearchParams): Promise<number> {
  query.set('format', 'jsonl');
  query.set('order', 'commits');
  const response = await api.raw('GET', `/v1/audit?${query.toString()}`, undefined, {}, 3_600_000);
  if (!response.ok || response.body === null) throw new ApiError(response.status, (JSON.parse(await response.text()) as { error?: { message?: string } }).error?.message ?? `GET /v1/audit: ${response.status}`);
  for await (const chunk of response.body) if (!process.stdout.write(chunk as Uint8Array)) await once(process.stdout, 'drain');
  return 0;
}

/** What comes from now on (or from --since), until it is interrupted; a record that commits late is not missed. */
async function follow(api: ApiClient, query: URLSearchParams, jsonl: boolean): Promise<never> {
  if (query.has('before')) throw new ConfigError('--follow goes on for ever: it takes no --before.');
  if (!query.has('since')) query.set('since', new Date().toISOString());
  query.set('order', 'commits');
  query.set('limit', '500');
  for (;;) {
    const { records, next, more } = await api.call<Page>('GET', `/v1/audit?${query.toString()}`);
    for (const record of records) process.stdout.write(`${jsonl ? JSON.stringify(record) : cells(record).join('  ')}\n`);
    if (next !== null) query.set('marker', next);
    if (!more) await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
  }
}
