/**
 * Requests that were refused because of who asked, for the audit trail: not allowed (403), and tokens that are none (401). Nothing was
 * changed by them, so their records come a moment later and many together; alike ones are one record with a count, so that whoever knocks
 * a thousand times a second fills no disk. A crash loses those of the last second. Failed logins are identity's to write, with more to say.
 */
import { audit, type AuditEntry } from '#libs/audit';
import type { Database } from '#libs/db';
import type { Answered } from '#libs/http';
import type { Logger } from '#libs/observability';
import { LIMITS } from '../limits.js';

interface Noted { entry: AuditEntry; detail: Record<string, unknown>; count: number }

export class Denials {
  #noted = new Map<string, Noted>();
  #omitted = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  constructor(private readonly db: Database, private readonly logger: Logger) {}

  note({ method, route, status, refused }: Answered): void {
    if (refused === undefined || (method === 'POST' && route.endsWith('/auth/tokens'))) return;
    const { kind, caller, address, requestId } = refused;
    // Strangers try many doors: one record for each address will do.
    const key = caller === undefined ? `${kind}\n${address}` : [kind, caller.userId, caller.projectId, address, method, route].join('\n');
    const known = this.#noted.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.#noted.size >= LIMITS.denialsAtOnce) this.#omitted += 1;
    else {
      this.#noted.set(key, {
        count: 1, detail: { method, route, status },
        entry: { service: 'api', action: kind === 'forbidden' ? 'requests:forbidden' : 'auth:token', outcome: 'denied', ...(caller !== undefined && { target: { kind: 'request', id: `${method} ${route}` } }), by: { ...caller, address, requestId } },
      });
    }
    this.#timer ??= setTimeout(() => { this.#timer = undefined; void this.flush(); }, LIMITS.denialsMs).unref();
  }

  /** Writes what there is; what cannot be written now is dropped, and said so in the log: it must not pile up. */
  async flush(): Promise<void> {
    await this.#writing;
    const noted = [...this.#noted.values()];
    const omitted = this.#omitted;
    this.#noted = new Map();
    this.#omitted = 0;
    if (noted.length === 0) return;
    const entries: AuditEntry[] = noted.map(({ entry, detail, count }) => ({ ...entry, detail: { ...detail, ...(count > 1 && { times: count }) } }));
    if (omitted > 0) entries.push({ service: 'api', action: 'requests:forbidden', outcome: 'denied', detail: { omitted } });
    this.#writing = audit(this.db.pool, {}, entries).catch((error: unknown) => { this.logger.warn({ err: error, records: entries.length }, 'records of refused requests could not be written'); });
    await this.#writing;
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.flush();
  }
}
