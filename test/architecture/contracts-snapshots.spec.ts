import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import * as contracts from '#libs/contracts';

/** The wire as it is, checked in: a change of it is seen in review. `npm run generate` writes it anew. */
const snapshot = join(resolve(import.meta.dirname, '../..'), 'libs/contracts/contracts.snapshot.json');

function current(): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(contracts)) {
    if (typeof value !== 'object' || value === null || !('subject' in value)) continue;
    found[name] = 'payload' in value
      ? { subject: value.subject, payload: z.toJSONSchema(value.payload, { io: 'input' }) }
      : { subject: value.subject, timeoutMs: (value as contracts.Contract).timeoutMs, input: z.toJSONSchema((value as contracts.Contract).input, { io: 'input' }), output: z.toJSONSchema((value as contracts.Contract).output, { io: 'output' }) };
  }
  return found;
}

describe('the contracts', () => {
  it('are what is checked in (run `npm run generate` after a wanted change)', () => {
    const now = JSON.parse(JSON.stringify(current())) as unknown;
    if (process.env.SKYLITE_GENERATE === '1') {
      mkdirSync(dirname(snapshot), { recursive: true });
      writeFileSync(snapshot, `${JSON.stringify(now, null, 1)}\n`);
    }
    expect(JSON.parse(readFileSync(snapshot, 'utf8'))).toEqual(now);
  });

  it('have one subject each, a timeout within the limit, and hosts only where a host speaks', () => {
    const all = Object.values(current()) as { subject: string; timeoutMs?: number }[];
    const subjects = all.map((contract) => contract.subject);
    expect(new Set(subjects).size).toBe(subjects.length);
    for (const { subject, timeoutMs } of all) {
      expect(subject).toMatch(/^(svc\.[a-z]+\.[a-z-]+\.[a-z-]+|(host|ask)\.\{hostId\}\.[a-z-]+|hint\.\{hostId\})$/);
      if (timeoutMs !== undefined) expect(timeoutMs).toBeLessThanOrEqual(10_000);
    }
  });
});
