import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { claimHost } from '#libs/contracts';
import { startTestDatabase, type TestDatabase } from '#libs/testing';
import { hostRow } from '../support/fleet-rows.js';
import { claim, startScheduler, stopSchedulers } from '../support/scheduler.js';

const HOSTS = 100;
const SERVERS = 80;

let test: TestDatabase;
beforeAll(async () => {
  test = await startTestDatabase('scheduler');
  for (let at = 0; at < HOSTS; at += 1) await hostRow(test, { vcpus: 16, memoryMib: 8_192, diskGib: 100 });
});
afterAll(async () => {
  await stopSchedulers();
  await test.stop();
});

/** All at once, from so many schedulers in turn. @returns how many servers each host got that got any */
async function burst(weigher: 'spread' | 'pack', count: number): Promise<number[]> {
  await test.admin.query('DELETE FROM scheduler.claims');
  const schedulers = await Promise.all(Array.from({ length: count }, () => startScheduler(test, { weigher })));
  const answers = await Promise.all(Array.from({ length: SERVERS }, (_, at) => schedulers[at % count]!.bus.ask(claimHost, claim())));
  await Promise.all(schedulers.map((one) => one.stop()));
  expect(answers.map(({ outcome }) => outcome)).toEqual(Array(SERVERS).fill('claimed'));
  return (await test.admin.query('SELECT used_instances::int AS n FROM scheduler.host_capacity WHERE used_instances > 0')).rows.map(({ n }) => n as number);
}

describe('a burst of 80 small servers on 100 equal hosts', () => {
  it('spreads: every server gets a host of its own', async () => { expect(await burst('spread', 1)).toEqual(Array(SERVERS).fill(1)); });
  it('packs: hosts are filled one after the other', async () => { expect(await burst('pack', 1)).toEqual(Array(5).fill(16)); });
  it('spreads from four schedulers that do not know of each other: no host gets more than one of each', async () => { expect(Math.max(...await burst('spread', 4))).toBeLessThanOrEqual(4); });
});
