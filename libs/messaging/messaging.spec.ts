import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { defineContract } from '#libs/contracts';
import { busContract } from './bus.contract.js';
import { InMemoryBus } from './index.js';

busContract('InMemoryBus', async () => {
  const bus = new InMemoryBus();
  return { asker: bus, answerer: bus, settle: async () => undefined, close: () => bus.close() };
});

describe('answers that are handed over', () => {
  const long = defineContract({ subject: 'svc.compute.test.long', input: z.object({}), output: z.object({ rows: z.array(z.any()) }), timeoutMs: 1_000, handedOver: true });
  it.each([[true, true], [false, false]])('are not copied where both sides are one process (%s)', async (handsOver, same) => {
    const bus = new InMemoryBus({ handsOver });
    const row = { n: 1 };
    const unbounded: (boolean | undefined)[] = [];
    bus.handle(long, async (_input, context) => { unbounded.push(context.unbounded); return { rows: [row], more: 1 } as { rows: unknown[] }; }, { group: 'g' });
    const answer = await bus.ask(long, {});
    expect([answer, answer.rows[0] === row, unbounded]).toEqual([{ rows: [{ n: 1 }] }, same, [same]]);
    await bus.close();
  });
});
