import { describe, expect, it } from '@jest/globals';
import type { Caller } from '#libs/contracts';
import type { Database } from '#libs/db';
import type { Answered } from '#libs/http';
import { createLogger } from '#libs/observability';
import { LIMITS } from '../limits.js';
import { Denials } from './denials.js';

const caller = (userId: string): Caller => ({ userId, userName: userId, projectId: 'p', projectName: 'p', domainId: 'd', roles: [], isAdmin: false, requestId: 'req-0' });
const answered = (userId: string, more: Partial<Answered> = {}): Answered =>
  ({ method: 'GET', route: '/v1/hosts', status: 403, seconds: 0, refused: { kind: 'forbidden', caller: caller(userId), address: '192.0.2.1', requestId: 'req-1' }, ...more });

function start() {
  const written: unknown[][] = [];
  const db = { pool: { query: async (_: string, values: unknown[]) => { written.push(values); } } } as unknown as Database;
  return { denials: new Denials(db, createLogger('test', 'silent')), written };
}

describe('refused requests', () => {
  it('are written together, alike ones as one with their number', async () => {
    const { denials, written } = start();
    for (const userId of ['u', 'u', 'v', 'u']) denials.note(answered(userId));
    denials.note(answered('u', { status: 200, refused: undefined }));
    denials.note(answered('u', { method: 'POST', route: '/identity/v3/auth/tokens', status: 401 }));
    denials.note({ method: 'GET', route: '/v1/hosts', status: 401, seconds: 0, refused: { kind: 'unauthorized', caller: undefined, address: '192.0.2.2', requestId: 'req-2' } });
    await denials.stop();
    expect(written).toHaveLength(1);
    const [columns] = written as [string[]];
    const rows = Array.from({ length: columns.length / 12 }, (_, row) => columns.slice(row * 12, row * 12 + 12));
    expect(rows.map((row) => [row[1], row[2], row[5], row[6], row[10], row[11]])).toEqual([
      ['requests:forbidden', 'denied', '{"method":"GET","route":"/v1/hosts","status":403,"times":3}', 'u', '192.0.2.1', 'req-1'],
      ['requests:forbidden', 'denied', '{"method":"GET","route":"/v1/hosts","status":403}', 'v', '192.0.2.1', 'req-1'],
      ['auth:token', 'denied', '{"method":"GET","route":"/v1/hosts","status":401}', null, '192.0.2.2', 'req-2'],
    ]);
  });

  it('are bounded', async () => {
    const { denials, written } = start();
    for (let n = 0; n < LIMITS.denialsAtOnce + 5; n += 1) denials.note(answered(`u${n}`));
    await denials.stop();
    expect((written[0] as unknown[]).length / 12).toBe(LIMITS.denialsAtOnce + 1);
    expect(written[0]).toContain('{"omitted":5}');
  });
});
