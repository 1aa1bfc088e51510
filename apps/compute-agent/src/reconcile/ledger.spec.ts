import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { planInstance } from '../decide/plan.js';
import { desired, FILES, instanceId, observedDomain, world } from '../testing/builders.js';
import { Ledger, type DesiredPage } from './ledger.js';
import { SerialWriter } from './serial-writer.js';

let folder: string;
let problems: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ledger-'));
  problems = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (): Promise<Ledger> => Ledger.open({ folder, durable: true, wallMs: () => 77, onProblem: (text) => problems.push(text) });
const page = (change: Partial<DesiredPage> = {}): DesiredPage => ({
  incarnation: 1, epoch: 1, upTo: 5, more: false, reportOnly: false, ...change,
  entries: change.entries ?? [{ sequence: 5, instance: desired() }],
});
const file = (n = 1): string => join(folder, 'instances', `${instanceId(n)}.json`);
async function filled(): Promise<Ledger> {
  const ledger = await open();
  ledger.beginFullPull();
  await ledger.accept(page());
  return ledger;
}

describe('Ledger', () => {
  it('is there again after a restart', async () => {
    const ledger = await filled();
    await ledger.book(instanceId(), (progress) => ({ ...progress, built: 1 }));
    await ledger.bookInventory(4, 'x');
    const again = await open();
    expect(again.entries).toEqual(ledger.entries);
    expect(again.host).toEqual({ format: 1, upTo: 5, incarnation: 1, epoch: 1, reportOnly: false, inventory: { generation: 4, digest: 'x' }, lease: { required: false } });
    expect(again.entries.get(instanceId())).toMatchObject({ sequence: 5, listed: true, progress: { built: 1 } });
    expect(again.since(0)).toBe(5);
  });

  it('learns at a full pull what an older agent did not keep of it, and nothing else', async () => {
    const ledger = await filled();
    const instance = desired({ userId: 'u', flavorId: '42', groupId: '44444444-4444-4444-8444-444444444444', hints: { sameHost: [], differentHost: [instanceId(2)] } });
    ledger.beginFullPull();
    expect(await ledger.accept(page({ entries: [{ sequence: 5, instance: { ...instance, name: 'of another word' } }] }))).toEqual([]);
    await ledger.flush();
    expect((await open()).entries.get(instanceId())).toMatchObject({ sequence: 5, desired: instance });
    // An older control plane says nothing of it.
    ledger.beginFullPull();
    await ledger.accept(page());
    expect(ledger.entries.get(instanceId())?.desired).toEqual(instance);
  });

  it.each([
    ['cut short', () => truncateSync(file(), 40)],
    ['empty', () => truncateSync(file(), 0)],
    ['changed', () => writeFileSync(file(), readFileSync(file(), 'utf8').replace('"vcpus":1', '"vcpus":2'))],
    ['another file', () => writeFileSync(file(), 'hello')],
  ])('quarantines an entry that is %s, and pulls everything', async (_, spoil) => {
    await filled();
    spoil();
    const again = await open();
    expect(again.entries.size).toBe(0);
    expect(again.since(0)).toBe(0);
    expect(readdirSync(join(folder, 'quarantine'))).toEqual([`${instanceId()}.json.77`]);
    expect(problems).toHaveLength(1);
    // Also when it is killed now: the next start knows that it lacks something.
    expect((await open()).since(0)).toBe(0);
    const third = await open();
    third.beginFullPull();
    await third.accept(page());
    expect((await open()).entries.has(instanceId())).toBe(true);
  });

  it('starts over when its own record is bad, and keeps the entries', async () => {
    await filled();
    writeFileSync(join(folder, 'host.json'), '{}');
    const again = await open();
    expect(again.host.upTo).toBe(0);
    expect(again.entries.size).toBe(1);
  });

  it('drops left-over temporary files', async () => {
    await filled();
    writeFileSync(`${file()}.tmp`, 'half');
    await open();
    expect(existsSync(`${file()}.tmp`)).toBe(false);
  });

  it('refuses older generations and incarnations', async () => {
    const ledger = await filled();
    expect(await ledger.accept(page({ upTo: 6, entries: [{ sequence: 6, instance: desired({ generation: 3 }) }] }))).toEqual([instanceId()]);
    expect(await ledger.accept(page({ upTo: 6, entries: [{ sequence: 6, instance: desired({ generation: 2 }) }] }))).toEqual([]);
    expect(ledger.entries.get(instanceId())?.desired.generation).toBe(3);
    expect(await ledger.accept(page({ incarnation: 0 }))).toBe(false);
    // A newer incarnation counts its own sequences: everything must be pulled, and then its word counts, older or not.
    expect(await ledger.accept(page({ incarnation: 2 }))).toBe(false);
    ledger.beginFullPull();
    expect(await ledger.accept(page({ incarnation: 2, upTo: 2, reportOnly: true, entries: [{ sequence: 2, instance: desired({ generation: 1 }) }] }))).toEqual([instanceId()]);
    expect(ledger.entries.get(instanceId())?.desired.generation).toBe(1);
    expect(ledger.host).toMatchObject({ incarnation: 2, upTo: 2, reportOnly: true });
  });

  it('keeps progress over new words, and unlists what a whole answer does not name', async () => {
    const ledger = await filled();
    await ledger.book(instanceId(), (progress) => ({ ...progress, built: 1 }));
    await ledger.accept(page({ upTo: 6, entries: [{ sequence: 6, instance: desired({ generation: 2, intent: 'stopped' }) }] }));
    expect(ledger.entries.get(instanceId())).toMatchObject({ desired: { intent: 'stopped' }, progress: { built: 1 } });
    ledger.beginFullPull();
    await ledger.accept(page({ upTo: 7, more: true, entries: [{ sequence: 7, instance: desired({ id: instanceId(2) }) }] }));
    expect(ledger.host.upTo).toBe(6);
    expect(ledger.since(7)).toBe(7);
    expect(await ledger.accept(page({ upTo: 8, entries: [{ sequence: 8, instance: desired({ id: instanceId(3) }) }] }))).toContain(instanceId());
    expect(ledger.host.upTo).toBe(8);
    expect((await open()).entries.get(instanceId())).toMatchObject({ listed: false, progress: { built: 1 } });
    ledger.beginFullPull();
    await ledger.accept(page({ upTo: 9, entries: [1, 2, 3].map((n) => ({ sequence: 6 + n, instance: desired({ id: instanceId(n), generation: 2 }) })) }));
    expect(ledger.entries.get(instanceId())?.listed).toBe(true);
  });

  it('counts the whole answers of one incarnation that leave an entry out, and keeps what is dropped for people', async () => {
    const ledger = await filled();
    const other = { sequence: 9, instance: desired({ id: instanceId(2) }) };
    const pullAll = async (entries: DesiredPage['entries'], change: Partial<DesiredPage> = {}): Promise<number> => {
      ledger.beginFullPull();
      await ledger.accept(page({ upTo: 9, entries, ...change }));
      return ledger.leftOut(instanceId());
    };
    expect([ledger.leftOut(instanceId()), await pullAll([other]), await pullAll([other])]).toEqual([0, 1, 2]);
    expect(await pullAll([other], { reportOnly: true })).toBe(2);
    expect(await pullAll([other, { sequence: 5, instance: desired() }])).toBe(0);
    expect(await pullAll([other])).toBe(1);
    // Of another incarnation: a database of before may well not know it. It is told when the host is adopted.
    expect([await pullAll([other], { incarnation: 2 }), await pullAll([other], { incarnation: 2 })]).toEqual([0, 0]);
    await ledger.drop(instanceId());
    expect([(await open()).entries.has(instanceId()), (await open()).entries.has(instanceId(2)), readdirSync(join(folder, 'dropped')), problems]).toEqual([false, true, [`${instanceId()}.json.77`], []]);
    // Named again, it begins anew.
    await pullAll([other, { sequence: 10, instance: desired({ generation: 2 }) }], { incarnation: 2 });
    expect((await open()).entries.get(instanceId())).toMatchObject({ listed: true, desired: { generation: 2 } });
  });

  it('begins anew with what was told to go and is wanted again', async () => {
    const ledger = await filled();
    await ledger.book(instanceId(), (progress) => ({ ...progress, built: 1 }));
    await ledger.accept(page({ upTo: 6, entries: [{ sequence: 6, instance: desired({ intent: 'deleted', generation: 8 }) }] }));
    expect(ledger.entries.get(instanceId())!.progress.built).toBe(1);
    await ledger.accept(page({ upTo: 7, entries: [{ sequence: 7, instance: desired({ generation: 9 }) }] }));
    expect(ledger.entries.get(instanceId())!.progress.built).toBeNull();
  });

  it('forgets only what is wanted deleted and proved absent', async () => {
    const ledger = await filled();
    await ledger.forget([instanceId()], () => true);
    expect(ledger.entries.size).toBe(1);
    await ledger.accept(page({ upTo: 6, entries: [{ sequence: 6, instance: desired({ generation: 2, intent: 'deleted' }) }] }));
    await ledger.forget([instanceId()], () => false);
    expect(ledger.entries.size).toBe(1);
    await ledger.forget([instanceId()], () => true);
    expect(existsSync(file())).toBe(false);
    expect((await open()).entries.size).toBe(0);
  });

  it('writes the last word of many', async () => {
    const ledger = await filled();
    await Promise.all(Array.from({ length: 50 }, (_, n) => ledger.book(instanceId(), (progress) => ({ ...progress, rebootCount: n }))));
    expect((await open()).entries.get(instanceId())?.progress.rebootCount).toBe(49);
  });
});

describe('a ledger of an agent of before', () => {
  const recorded = (name: string): string => join(dirname(fileURLToPath(import.meta.url)), '../testing/recorded', name);
  it('reads back whole: its one disk is the first, and nothing is done to its guest', async () => {
    mkdirSync(join(folder, 'instances'), { recursive: true });
    copyFileSync(recorded('ledger-entry-0.1.0.json'), file());
    copyFileSync(recorded('ledger-host-0.1.0.json'), join(folder, 'host.json'));
    const ledger = await open();
    expect(problems).toEqual([]);
    expect(ledger.host).toMatchObject({ upTo: 5, epoch: 2 });
    const entry = ledger.entries.get(instanceId())!;
    expect(entry).toMatchObject({
      desired: { generation: 3, diskGeneration: 1, powerOffTimeoutS: null, diskFrom: null, previous: null }, progress: { built: 1, diskGeneration: 1, configDrive: null, definition: null, rebootCount: 1 },
    });
    const domain = observedDomain('running', { generation: 3, rebootCount: 1 });
    expect(planInstance({ desired: entry.desired, listed: true, progress: entry.progress, domain, files: FILES, configDrive: 'any' }, world())).toMatchObject({ steps: [], state: 'running', error: null });
  });
  it("and one of a newer agent, whose step is not known here, loses only that failure", async () => {
    const ledger = await filled();
    await ledger.book(instanceId(), (progress) => ({ ...progress, built: 1, failure: { generation: 1, step: 'teleport' as never, code: 'x', message: 'x', attempts: 1, final: true, retryAtMs: 0, bootId: 'b' } }));
    expect((await open()).entries.get(instanceId())).toMatchObject({ progress: { built: 1, failure: null } });
    expect(problems).toEqual([]);
  });
});

describe('SerialWriter', () => {
  it('never saves twice at a time, and always saves after the last call', async () => {
    let [running, most, value, saved] = [0, 0, 0, 0];
    const writer = new SerialWriter(async () => {
      most = Math.max(most, ++running);
      const now = value;
      await new Promise((resolve) => { setTimeout(resolve, 1); });
      saved = now;
      running -= 1;
    });
    for (let round = 0; round < 30; round += 1) {
      value += 1;
      const done = writer.write();
      if (round % 3 === 0) await done;
      if (round % 7 === 0) await Promise.resolve();
    }
    await writer.write();
    expect([most, saved]).toEqual([1, 30]);
  });
});
