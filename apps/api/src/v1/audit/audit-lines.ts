import type { listAuditRecords, OutputOf } from '#libs/contracts';
import { unauthorized } from '#libs/errors';

type Page = OutputOf<typeof listAuditRecords>;

/** A page after the other as text, one record a line; the next is asked for when the reader has taken the one before. Breaks off when the reader's login is no longer good. */
export async function* auditLines(first: Page, next: (marker: string) => Promise<Page>, mayGoOn: () => boolean): AsyncGenerator<string> {
  for (let page = first; ; page = await next(page.next)) {
    if (page.records.length > 0) yield page.records.map((record) => `${JSON.stringify(record)}\n`).join('');
    if (!page.more || page.next === null) return;
    if (!mayGoOn()) throw unauthorized('The login that asked for this has ended.');
  }
}
