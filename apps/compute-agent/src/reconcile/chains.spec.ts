import { describe, expect, it } from '@jest/globals';
import { createLogger } from '#libs/observability';
import { systemClock } from '../clock.js';
import type { Step } from '../decide/facts.js';
import { LIMITS } from '../limits.js';
import { desired, instanceId } from '../testing/builders.js';
import { Chains } from './chains.js';
import type { Ledger } from './ledger.js';

const ID = instanceId();

describe('a chain', () => {
  it('starts no guest when the lease ran out while it was on its way', async () => {
    const done: Step[] = [];
    const lease = { mayStart: true };
    const run = (): Promise<void> => new Promise((ended) => {
      const chains = new Chains({
        ledger: { entries: new Map([[ID, { desired: desired() }]]), host: { reportOnly: false, epoch: 1 } } as unknown as Ledger,
        machine: {} as never, bootId: 'boot-1', clock: systemClock, random: () => 0, logger: createLogger('test', 'silent'), limits: LIMITS, lease,
        around: async (step) => {
          done.push(step);
          if (step === 'make-disk' && done.length === 2) lease.mayStart = false;
        },
        onStep: () => undefined, onEnd: () => ended(),
      });
      chains.start(ID, 1, ['fetch-image', 'make-disk', 'define', 'start']);
    });
    await run();
    expect(done).toEqual(['fetch-image', 'make-disk', 'define']);
    lease.mayStart = true;
    await run();
    expect(done.at(-1)).toBe('start');
  });
});
