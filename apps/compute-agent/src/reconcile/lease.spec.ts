import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import type { Clock } from '../clock.js';
import { Lease } from './lease.js';
import { Ledger } from './ledger.js';

const folder = mkdtempSync(join(tmpdir(), 'lease-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const open = (name: string): Promise<Ledger> => Ledger.open({ folder: join(folder, name), durable: false, wallMs: () => 0, onProblem: () => undefined });

describe('Lease', () => {
  it('is not needed until the control plane says so, and then outlives the agent as a need', async () => {
    let now = 1_000;
    let renewed = 0;
    const clock = { sinceBootMs: () => now, nowMs: () => 0 } as Clock;
    const ledger = await open('one');
    const lease = new Lease(ledger, clock, () => { renewed += 1; });
    expect(lease.mayStart).toBe(true);
    await lease.renew(1_000, { reportOnly: false, lease: { ms: 5_000, required: true } });
    expect(lease.mayStart).toBe(true);
    // Counted from the question, not from the answer.
    now = 6_000;
    expect(lease.mayStart).toBe(false);
    await lease.renew(5_500, { reportOnly: false, lease: { ms: 5_000, required: true } });
    expect([lease.mayStart, renewed]).toEqual([true, 1]);
    // Fenced, or not adopted: at once.
    await lease.renew(5_600, { reportOnly: true });
    expect(lease.mayStart).toBe(false);
    await ledger.flush();

    // Another boot, or another agent: the need is known, the lease is not.
    const again = await open('one');
    const next = new Lease(again, clock, () => undefined);
    expect([again.host.lease.required, next.mayStart]).toEqual([true, false]);
    // An older control plane says nothing of leases: its answer renews.
    await next.renew(now, { reportOnly: false });
    expect(next.mayStart).toBe(true);
  });

  it('a higher epoch or a new incarnation makes the ledger words of before, until a pull says what holds', async () => {
    const ledger = await open('two');
    await ledger.bookEpoch(1);
    expect(ledger.host.reportOnly).toBe(false);
    await ledger.bookEpoch(1);
    expect(ledger.host.reportOnly).toBe(false);
    await ledger.bookEpoch(2);
    expect(ledger.host.reportOnly).toBe(true);
    await ledger.accept({ incarnation: 0, epoch: 2, entries: [], upTo: 0, more: false, reportOnly: false });
    expect(ledger.host.reportOnly).toBe(false);
    await ledger.bookEpoch(2, true);
    expect(ledger.host.reportOnly).toBe(true);
  });
});
