import type { listAuditRecords, OutputOf } from '#libs/contracts';

type Page = OutputOf<typeof listAuditRecords>;

/** A page after the other as text, one record a line; the next is asked for when the reader has taken the one before. */
export async function* auditLines(first: Page, next: (marker: string) => Promise<Page>): AsyncGenerator<string> {
  for (let page = first; ; page = await next(page.next)) {
    if (page.records.length > 0) yield page.records.map((record) => `${JSON.stringify(record)}\n`).join('');
    if (!page.more || page.next === null) return;
  }
}
