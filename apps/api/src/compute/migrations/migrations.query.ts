import { z } from 'zod';
import { MoveKind, type InputOf, type listMigrations } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { has, pythonRepr } from '#libs/openstack';
import type { Call } from '../../http/call.js';
import { many, nonNegative } from '../../http/input-types.js';
import { pagingOf, type Paging } from '../../http/paging.js';
import { last, readQuery, versioned } from '../../http/read-input.js';
import { LIMITS } from '../../limits.js';

const momentOf = (text: string): number => Date.parse(/[zZ]$|[+-]\d\d:?\d\d$/.test(text) ? text : `${text}Z`);
/** The calendar's first moment: databases know no year 0. */
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z');
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');
function isMoment(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(text)) return false;
  const ms = momentOf(text.replace(' ', 'T'));
  return ms >= FIRST_MS && ms <= LAST_MS;
}
const moment = z.array(z.string().refine(isMoment, { error: (issue) => `${pythonRepr(issue.input)} is not a 'date-time'` })).max(1);

/** Named by uuid and paged from 2.59 on; unknown names are refused from then on. */
export const ListMigrationsQuery = versioned((version) => z.object({
  hidden: many, host: many, instance_uuid: many, source_compute: many, status: many, migration_type: many,
  ...(has(version, 'migration.paging') && { limit: nonNegative.max(1), marker: many.max(1), 'changes-since': moment }),
  ...(has(version, 'migration.changes-before') && { 'changes-before': moment }),
  ...(has(version, 'migration.owner') && { user_id: many.max(1), project_id: many.max(1) }),
}).partial());

type Asked = Readonly<Partial<Record<'hidden' | 'host' | 'instance_uuid' | 'source_compute' | 'status' | 'migration_type' | 'limit' | 'marker' | 'changes-since' | 'changes-before' | 'user_id' | 'project_id', string[] | undefined>>>;

export interface MigrationListing {
  /** undefined: nothing can match. */
  readonly ask: Omit<InputOf<typeof listMigrations>, 'caller'> | undefined;
  readonly paging: Paging | null;
}

export function readMigrationListing({ version, query }: Call): MigrationListing {
  const paged = has(version, 'migration.paging');
  const values = readQuery(ListMigrationsQuery(version), query, paged) as Asked;
  const paging = paged ? pagingOf(query, values) : null;
  const since = timeOf(values['changes-since']);
  const before = timeOf(values['changes-before']);
  if (since !== undefined && before !== undefined && before < since) throw badRequest('The value of changes-since must be less than or equal to changes-before.');
  if (paging?.marker !== undefined && !z.uuid().safeParse(paging.marker).success) throw badRequest(`Marker ${paging.marker.slice(0, 255)} could not be found.`);
  const type = last(values.migration_type);
  const kind = MoveKind.safeParse(type);
  // A kind that is not offered, live migration above all: there are none of it.
  if ((type !== undefined && !kind.success) || paging?.limit === 0) return { ask: undefined, paging };
  const filters = {
    instanceId: last(values.instance_uuid), status: last(values.status), kind: kind.data, host: last(values.host), sourceHost: last(values.source_compute),
    projectId: last(values.project_id), userId: last(values.user_id), changesSince: since, changesBefore: before,
  };
  return {
    ask: {
      filters: Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined)),
      limit: paging?.limit ?? LIMITS.page, ...(paging?.marker !== undefined && { marker: paging.marker.toLowerCase() }),
    },
    paging,
  };
}

function timeOf(values: string[] | undefined): string | undefined {
  const text = last(values);
  return text === undefined ? undefined : new Date(momentOf(text.replace(' ', 'T'))).toISOString();
}
