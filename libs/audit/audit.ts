import type { Caller } from '#libs/contracts';
import { auditDetail, cut } from './audit-detail.js';
import { AUDIT_LIMITS } from './limits.js';

export type AuditOutcome = 'success' | 'failure' | 'denied';
export type AuditService = 'identity' | 'image' | 'scheduler' | 'compute' | 'network' | 'volume' | 'api';

/** Who did it: a caller, or what is known of somebody who is none (yet): a name that was tried, an address. */
export type AuditActor = Partial<Pick<Caller, 'userId' | 'userName' | 'projectId' | 'domainId' | 'scopeDomainId' | 'isSystem' | 'address' | 'requestId' | 'applicationCredentialId'>>;

export interface AuditEntry {
  service: AuditService;
  /** `noun:verb`, mostly the policy rule without its service: `users:create`, `auth:login`, `servers:delete`. */
  action: string;
  target?: { kind: string; id?: string | null };
  /** Default: success. `denied`: known, and not allowed. */
  outcome?: AuditOutcome;
  /** What changed, why it failed. Secrets are blotted out, long texts cut (auditDetail). */
  detail?: Readonly<Record<string, unknown>>;
  /** Who did this one, where several are written together; default: whom audit() is told. */
  by?: AuditActor;
}

/** The client of the change's transaction; a pool for what has none (a failure). */
export interface AuditWriter { query(text: string, values: unknown[]): Promise<unknown> }

/**
 * Writes one record (or several in one statement). Pass the transaction's own client: then the record and the change are there
 * together or not at all.
 */
export async function audit(client: AuditWriter, actor: AuditActor, entries: AuditEntry | readonly AuditEntry[]): Promise<void> {
  const list = 'service' in entries ? [entries] : entries;
  if (list.length === 0) return;
  const rows = list.map((entry) => auditRow(entry.by ?? actor, entry));
  const { columns } = rows[0] as AuditRow;
  const values = rows.flatMap(({ row }) => row);
  const places = rows.map((_, at) => `(${columns.map((__, index) => `$${at * columns.length + index + 1}`).join(', ')})`);
  await client.query(`INSERT INTO audit.records (${columns.join(', ')}) VALUES ${places.join(', ')}`, values);
}

interface AuditRow { columns: readonly string[]; row: unknown[] }
const COLUMNS = ['service', 'action', 'outcome', 'target_kind', 'target_id', 'detail', 'user_id', 'user_name', 'project_id', 'domain_id', 'address', 'request_id'] as const;

/** The columns that are said (the others the database gives), and their values. */
export const auditRow = (actor: AuditActor, { service, action, outcome, target, detail }: AuditEntry): AuditRow => ({
  columns: COLUMNS,
  row: [
    service, text(action), outcome ?? 'success', text(target?.kind), text(target?.id), JSON.stringify(auditDetail({ ...detail, ...actorDetail(actor) })),
    text(actor.userId), text(actor.userName), text(actor.projectId), text(actor.scopeDomainId ?? actor.domainId), text(actor.address, AUDIT_LIMITS.addressChars), text(actor.requestId),
  ],
});

const text = (value: string | null | undefined, chars: number = AUDIT_LIMITS.textChars): string | null => (value === undefined || value === null ? null : cut(value, chars));

const actorDetail = (actor: AuditActor): Record<string, unknown> => ({
  ...(actor.isSystem === true && { scope: 'system' }),
  ...(typeof actor.applicationCredentialId === 'string' && { applicationCredentialId: actor.applicationCredentialId }),
});
