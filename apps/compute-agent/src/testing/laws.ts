/** Laws that every way of an instance on its host obeys, as tests: whoever walks a way is disturbed at each of its steps. */
import { it } from '@jest/globals';
import type { Step } from '../decide/facts.js';
import type { TestHost } from './test-host.js';

/** Stands around the `nth` step of a way. */
export type Disturb = (step: Step, run: () => Promise<void>, nth: number) => Promise<void>;

/** `walk` goes the whole way from nothing to nothing on a fresh host, checks it, and gives the steps that were taken. @param killAt around these steps only; default: all */
export function itObeysTheLaws(host: () => TestHost, walk: (disturb: Disturb) => Promise<readonly Step[]>, killAt?: ReadonlySet<Step>): void {
  it('survives a kill before and after every step', async () => {
    const steps = await walk((_, run) => run());
    await host().close();
    for (let at = 0; at < steps.length; at += 1) {
      if (killAt && !killAt.has(steps[at]!)) continue;
      for (const when of ['before', 'after'] as const) {
        await walk(async (_, run, nth) => {
          if (nth !== at) return run();
          if (when === 'after') await run();
          void host().restart();
          return host().kill();
        });
        await host().close();
      }
    }
  }, 300_000);

  it('takes every step twice', async () => {
    await walk(async (_, run) => {
      await run();
      await run();
    });
  });
}
