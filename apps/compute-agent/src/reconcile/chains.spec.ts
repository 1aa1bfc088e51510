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
        machine: { files: {} } as never, bootId: 'boot-1', clock: systemClock, random: () => 0, logger: createLogger('test', 'silent'), limits: LIMITS, lease,
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

  it('waits for nobody\'s image when its own is here already', async () => {
    const ids = Array.from({ length: 6 }, (_, n) => instanceId(n + 1));
    const isHere = (id: string): boolean => id === ids[5];
    const ended: string[] = [];
    const done: Step[] = [];
    const chains = new Chains({
      ledger: { entries: new Map(ids.map((id) => [id, { desired: desired({ id }) }])), host: { reportOnly: false, epoch: 1 } } as unknown as Ledger,
      machine: { files: { hasImage: async ({ id }: { id: string }) => isHere(id) } } as never, bootId: 'boot-1', clock: systemClock, random: () => 0, logger: createLogger('test', 'silent'), limits: { ...LIMITS, chains: 2, copyChains: 2 }, lease: { mayStart: true },
      around: (step, id) => {
        if (!isHere(id)) return new Promise(() => undefined); // no image comes
        done.push(step);
        return Promise.resolve();
      },
      onStep: () => undefined, onEnd: (id) => ended.push(id),
    });
    ids.forEach((id) => chains.start(id, 1, ['fetch-image', 'make-disk', 'define', 'start']));
    for (let turns = 0; turns < 10; turns += 1) await new Promise((resolve) => { setImmediate(resolve); });
    expect([ended, done]).toEqual([[ids[5]], ['fetch-image', 'make-disk', 'define', 'start']]);
  });

  it('waits for no other guest\'s memory, image or disk, and those wait for their like', async () => {
    const ids = Array.from({ length: 40 }, (_, n) => instanceId(n + 1));
    const open = new Map<string, () => void>();
    const ended = new Set<string>();
    const chains = new Chains({
      ledger: { entries: new Map(ids.map((id) => [id, { desired: desired({ id }) }])), host: { reportOnly: false, epoch: 1 } } as unknown as Ledger,
      machine: { files: {} } as never, bootId: 'boot-1', clock: systemClock, random: () => 0, logger: createLogger('test', 'silent'), limits: { ...LIMITS, chains: 2, memoryChains: 3, copyChains: 2 }, lease: { mayStart: true },
      around: (step, id) => (step === 'save' || step === 'fetch-image' || (step === 'start' && Number(id.slice(-2)) > 30) ? new Promise((end) => { open.set(id, end); }) : Promise.resolve()),
      onStep: () => undefined, onEnd: (id) => ended.add(id),
    });
    const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });
    ids.slice(0, 10).forEach((id) => chains.start(id, 1, ['save']));
    ids.slice(10, 20).forEach((id) => chains.start(id, 1, ['fetch-image', 'make-disk', 'define', 'start']));
    ids.slice(30).forEach((id) => chains.start(id, 1, ['book-wake', 'start']));
    ids.slice(20, 30).forEach((id) => chains.start(id, 1, ['destroy', 'book-reboot', 'start']));
    await turn();
    expect([...ended]).toEqual(ids.slice(20, 30));
    // Three of those that move memory, two of those that copy.
    expect(open.size).toBe(5);
    while (ended.size < ids.length) {
      expect(open.size).toBeLessThanOrEqual(5);
      for (const [id, end] of [...open]) {
        open.delete(id);
        end();
      }
      await turn();
    }
    await chains.stop();
  });
});
