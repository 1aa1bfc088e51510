/**
 * The drill of docs/lost-hosts.md on real processes: the database's folder is copied while the cloud is down, life goes on, the
 * older copy is put back. Hosts report, an operator adopts, and afterwards database and hosts agree. No guest that ran was
 * ended or started a second time: QEMU's processes are the same ones.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { domains, eventually, home, instanceFolders, script, settings } from '../support/cloud.js';
import { guestProcesses, Witness } from '../support/cut-host.js';
import { LightServers, skylite } from '../support/light-servers.js';

interface Adoption { incarnation: number; hosts: { name: string; adopted: boolean; problem: string | null; findings: { instanceId: string; finding: string }[] }[] }

describe('an older backup of the database is restored', () => {
  const cloud = new LightServers('drill');
  const hosts = settings().hosts.map(({ name }) => name);
  const [first, second] = [hosts[0], hosts.at(-1)] as [string, string];
  const database = join(home, 'postgres');
  const copy = mkdtempSync(join(tmpdir(), 'skylite-backup-'));
  let witness: Witness;

  beforeAll(async () => {
    await cloud.begin();
    witness = new Witness();
  });
  afterAll(async () => {
    await witness.stop();
    // The cloud is other tests' too: hosts that a test which failed has left unadopted would hold them up.
    await skylite(['adopt', '--confirm', 'the drill is over']).catch(() => undefined);
    rmSync(copy, { recursive: true, force: true });
    await cloud.end();
  });

  const copyFolder = (from: string, to: string): void => { expect(spawnSync('cp', ['-a', from, to], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' }); };
  const down = (): void => { expect(script('down', [])).toMatchObject({ status: 0 }); };
  const up = async (): Promise<void> => {
    expect(script('up', ['--detach'])).toMatchObject({ status: 0, stderr: '' });
    await cloud.login();
  };
  const adoption = async (): Promise<Adoption> => (await cloud.call('GET', '/v1/adoption')).body.adoption as Adoption;
  const pids = (ids: readonly string[]): [string, number][] => guestProcesses().filter(({ uuid }) => ids.includes(uuid)).map(({ uuid, pid }): [string, number] => [uuid, pid]).sort();

  it('and database and hosts agree again: nothing is lost, nothing runs twice', async () => {
    const made = await Promise.all([['same', first], ['stopped', first], ['rebooted', second], ['resized', second], ['deleted', first]].map(([name, host]) => cloud.create(name as string, host)));
    const [same, stopped, rebooted, resized, deleted] = made as [string, string, string, string, string];
    for (const id of made) await cloud.reaches(id, 'ACTIVE');
    down();
    copyFolder(database, join(copy, 'postgres'));
    await up();

    // Life goes on after the backup.
    const [created, createdToo] = await Promise.all([cloud.create('created', first), cloud.create('created-too', second)]);
    await cloud.act(stopped, { 'os-stop': null });
    await cloud.act(rebooted, { reboot: { type: 'HARD' } });
    await cloud.act(resized, { resize: { flavorRef: cloud.flavor('b') } });
    await cloud.remove(deleted);
    await cloud.gone(deleted);
    await cloud.reaches(stopped, 'SHUTOFF', 180_000);
    await cloud.reaches(resized, 'VERIFY_RESIZE', 180_000);
    await cloud.act(resized, { confirmResize: null });
    for (const id of [same, rebooted, resized, created, createdToo]) await cloud.reaches(id, 'ACTIVE');
    const where = (await cloud.get(resized))?.['OS-EXT-SRV-ATTR:host'] as string;
    await eventually('the move is over', 180_000, () => hosts.every((host) => host === where || !domains(host).some(({ uuid }) => uuid === resized)));
    const on = (host: string): string[] => [...(host === first ? [same, stopped, created] : []), ...(host === second ? [rebooted, createdToo] : []), ...(host === where ? [resized] : [])].sort();
    const alive = [same, rebooted, resized, created, createdToo];
    const before = pids(alive);
    expect(before).toHaveLength(alive.length);

    // What the docs say: stop, restore, say so, start.
    down();
    renameSync(database, `${database}.lost`);
    copyFolder(join(copy, 'postgres'), database);
    expect(await skylite(['restored'])).toMatchObject({ code: 0, stdout: expect.stringContaining('incarnation') });
    await up();
    rmSync(`${database}.lost`, { recursive: true, force: true });

    // Hosts only report, nothing new is placed, nothing happens to any guest.
    const view = await eventually('every host can be asked', 180_000, async () => {
      const now = await adoption();
      return now.hosts.every(({ problem }) => problem === null) && now;
    });
    expect(view.hosts.map(({ adopted }) => adopted)).toEqual(hosts.map(() => false));
    const found = new Map(view.hosts.flatMap(({ findings }) => findings.map(({ instanceId, finding }): [string, string] => [instanceId, finding])));
    expect([same, stopped, rebooted, created, createdToo, deleted].map((id) => found.get(id))).toEqual(['agrees', 'newer', 'newer', 'unknown', 'unknown', 'missing']);
    // The host that it left tells of it too.
    const there = view.hosts.find(({ name }) => name === where)?.findings.find(({ instanceId }) => instanceId === resized);
    expect(there?.finding).toBe(where === second ? 'newer' : 'moved');
    const refused = await cloud.ask('too-early');
    if (refused.status === 202) await cloud.reaches(refused.id, 'ERROR');
    expect((await skylite(['adopt'])).stdout).toContain('Nothing was changed');
    expect(pids(alive)).toEqual(before);

    expect(await skylite(['adopt', '--confirm', 'the disk of the database was lost; this copy is the last one'])).toMatchObject({ code: 0, stderr: '' });
    for (const id of alive) await cloud.reaches(id, 'ACTIVE');
    await cloud.reaches(stopped, 'SHUTOFF');
    cloud.made.add(deleted); // in the database it is there again, and nowhere else
    expect((await cloud.reaches(deleted, 'ERROR')).fault?.message).toContain('not found on its host after the database was restored');
    expect(await cloud.get(resized)).toMatchObject({ flavor: { original_name: cloud.flavor('b') }, 'OS-EXT-SRV-ATTR:host': where });
    expect(pids(alive)).toEqual(before);
    for (const host of hosts) {
      expect([host, domains(host).map(({ uuid }) => uuid).sort()]).toEqual([host, on(host)]);
      expect([host, instanceFolders(host).sort()]).toEqual([host, on(host)]);
      await eventually(`claims of ${host} are what it has`, 180_000, async () => (await cloud.host(host)).used.instances === on(host).length);
    }

    // And the cloud works: what was adopted obeys, what was missing goes, something new is built.
    await cloud.act(created, { reboot: { type: 'HARD' } });
    await cloud.reaches(created, 'ACTIVE');
    await cloud.reaches(await cloud.create('new', second), 'ACTIVE');
    await cloud.clear();
    await cloud.nothingLeft();
    expect(witness.twice).toEqual([]);
  });
});
