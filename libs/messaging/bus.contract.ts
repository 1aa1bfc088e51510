import { afterEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { defineContract, defineHint } from '#libs/contracts';
import { badRequest, SkyError } from '#libs/errors';
import type { Bus } from './bus.js';

const double = defineContract({ subject: 'svc.compute.test.double', input: z.object({ n: z.int() }), output: z.object({ n: z.int() }), timeoutMs: 20_000 });
const slow = defineContract({ subject: 'svc.compute.test.slow', input: z.object({}), output: z.object({}), timeoutMs: 150 });
const hostAsk = defineContract({ subject: 'ask.{hostId}.test', input: z.object({}), output: z.object({ hostId: z.string() }), timeoutMs: 20_000 });
const poke = defineHint({ subject: 'hint.{hostId}', payload: z.object({ n: z.int().default(0) }) });
const A = '0a8e22a5-5c3b-4e53-9a4c-000000000001';
const B = '0a8e22a5-5c3b-4e53-9a4c-000000000002';
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const until = async (holds: () => boolean): Promise<void> => { for (let wait = 0; !holds() && wait < 3_000; wait += 1) await pause(10); };
const caught = (work: Promise<unknown>): Promise<SkyError> => work.then(() => { throw new Error('it should have failed'); }, (error: unknown) => error as SkyError);

/** What every Bus promises; run against the one in memory and the one over a real nats-server. */
export function busContract(name: string, make: () => Promise<{ asker: Bus; answerer: Bus; settle: () => Promise<void>; close: () => Promise<void> }>): void {
  describe(`${name} keeps the bus contract`, () => {
    let open: Awaited<ReturnType<typeof make>> | undefined;
    const buses = async () => (open = await make());
    afterEach(async () => { await open?.close(); open = undefined; });

    it('answers, drops unknown fields, and hides what the contract does not say', async () => {
      const { asker, answerer, settle } = await buses();
      answerer.handle(double, async ({ n }) => ({ n: n * 2, extra: 'x' }) as { n: number }, { group: 'g' });
      await settle();
      expect(await asker.ask(double, { n: 21, more: 1 } as { n: number })).toEqual({ n: 42 });
    });

    it('carries our own errors with kind, text and details', async () => {
      const { asker, answerer, settle } = await buses();
      answerer.handle(double, async () => { throw badRequest('n is odd', { details: { n: 1 }, internal: 'hidden' }); }, { group: 'g' });
      await settle();
      const error = await caught(asker.ask(double, { n: 1 }));
      expect(error).toBeInstanceOf(SkyError);
      expect([error.kind, error.message, error.details]).toEqual(['bad-request', 'n is odd', { n: 1 }]);
    });

    it('says unavailable when nobody answers, and timeout when nobody does in time', async () => {
      const { asker, answerer, settle } = await buses();
      expect((await caught(asker.ask(double, { n: 1 }))).kind).toBe('unavailable');
      let aborted = false;
      answerer.handle(slow, async (_input, context) => { context.signal.addEventListener('abort', () => { aborted = true; }); await until(() => aborted); return {}; }, { group: 'g' });
      await settle();
      expect((await caught(asker.ask(slow, {}))).kind).toBe('timeout');
      await until(() => aborted);
      expect(aborted).toBe(true);
    });

    it('refuses answers out of contract and questions out of contract', async () => {
      const { asker, answerer, settle } = await buses();
      answerer.handle(double, async () => ({ n: 'x' }) as never, { group: 'g' });
      await settle();
      expect((await caught(asker.ask(double, { n: 1 }))).kind).toBe('internal');
      expect((await caught(asker.ask(double, { n: 'y' } as never))).kind).toBe('internal');
    });

    it('shares questions within a group, and reaches the named host only', async () => {
      const { asker, answerer, settle } = await buses();
      const seen = [0, 0];
      answerer.handle(double, async ({ n }) => { seen[0] = (seen[0] ?? 0) + 1; return { n }; }, { group: 'g' });
      answerer.handle(double, async ({ n }) => { seen[1] = (seen[1] ?? 0) + 1; return { n }; }, { group: 'g' });
      answerer.handle(hostAsk, async (_input, context) => ({ hostId: context.hostId ?? '' }), { group: 'a', hostId: A });
      answerer.handle(hostAsk, async (_input, context) => ({ hostId: context.hostId ?? '' }), { group: 'b', hostId: B });
      await settle();
      for (let n = 0; n < 20; n += 1) await asker.ask(double, { n });
      expect((seen[0] ?? 0) + (seen[1] ?? 0)).toBe(20);
      expect(await asker.ask(hostAsk, {}, { hostId: B })).toEqual({ hostId: B });
    });

    it('delivers hints to whoever listens for that host', async () => {
      const { asker, answerer, settle } = await buses();
      const heard: string[] = [];
      answerer.onHint(poke, ({ n }, { hostId }) => heard.push(`${hostId === A ? 'A' : '?'}${n}`), { hostId: A });
      await settle();
      asker.hint(poke, { n: 7 }, { hostId: A });
      asker.hint(poke, { n: 8 }, { hostId: B });
      await until(() => heard.length > 0);
      await pause(50);
      expect(heard).toEqual(['A7']);
    });

    it('stops answering when told', async () => {
      const { asker, answerer, settle } = await buses();
      const subscription = answerer.handle(double, async ({ n }) => ({ n }), { group: 'g' });
      await settle();
      await asker.ask(double, { n: 1 });
      await subscription.stop();
      await settle();
      expect((await caught(asker.ask(double, { n: 1 }))).kind).toBe('unavailable');
    });
  });
}
