import { expect, it } from '@jest/globals';
import { schedulerHere } from '#libs/contracts';
import { InMemoryBus } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import { Peers } from './peers.js';

const until = async (done: () => boolean): Promise<void> => { while (!done()) await new Promise((resolve) => setImmediate(resolve)); };

it('schedulers that hear of each other prefer each other\'s hosts never; one alone prefers nothing', async () => {
  const bus = new InMemoryBus();
  const logger = createLogger('test', 'silent');
  const [one, two] = [new Peers(bus, logger), new Peers(bus, logger)];
  try {
    one.onModuleInit();
    expect(one.preference()).toBeUndefined();
    two.onModuleInit();
    await until(() => one.preference() !== undefined && two.preference() !== undefined);
    const hosts = Array.from({ length: 100 }, (_, at) => `host-${at}`);
    for (const host of hosts) expect(one.preference()!(host)).toBe(!two.preference()!(host));
    for (let at = 0; at < 200; at += 1) bus.hint(schedulerHere, { id: `noise-${at}` });
    bus.hint(schedulerHere, { id: 'x'.repeat(1_000) });
    await until(() => hosts.filter(one.preference()!).length < 20);
  } finally {
    await Promise.all([one.onApplicationShutdown(), two.onApplicationShutdown()]);
    await bus.close();
  }
});
