import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { desired } from '../testing/builders.js';
import { SimulatedMachine } from './simulated-machine.js';

let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'simulated-machine-')); });
afterEach(() => { rmSync(folder, { recursive: true, force: true }); });

const waiting: (() => void)[] = [];
const machine = (): SimulatedMachine => new SimulatedMachine({
  folder, cloudId: 'c', urlOf: async () => ({ url: '', sha512: '' }), after: (_ms, task) => { waiting.push(task); return () => undefined; },
});
const powerOf = async (one: SimulatedMachine, id: string): Promise<string | undefined> => (await one.observe(new Set([id]))).domains.get(id)?.power;

it('a pressed button is of the guest that was on then: a guest that was started since does not hear it', async () => {
  const one = machine();
  const wish = desired();
  await one.makeDisk(wish);
  await one.makeConfigDrive(wish);
  await one.define({ desired: wish, frozen: await one.freeze(), rebootCount: 0 } as never);
  await one.startDomain(wish.id);
  await one.pressPowerButton(wish.id);
  await one.destroy(wish.id);
  await one.startDomain(wish.id);
  waiting.splice(0).forEach((task) => { task(); });
  expect(await powerOf(one, wish.id)).toBe('running');

  await one.pressPowerButton(wish.id);
  waiting.splice(0).forEach((task) => { task(); });
  expect(await powerOf(one, wish.id)).toBe('stopped');
});
