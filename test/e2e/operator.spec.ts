import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { api, children, domains, eventually, home, script, settings } from '../support/cloud.js';

describe('the operator', () => {
  it('sees a healthy cloud with doctor, and its hosts', () => {
    const doctor = script('skylite', ['doctor']);
    expect([doctor.status, doctor.stdout.match(/WRONG.*/g)]).toEqual([0, null]);
    const hosts = script('skylite', ['host', 'list']);
    for (const { name } of settings().hosts) expect(hosts.stdout).toMatch(new RegExp(`^${name} +nova +alive`, 'm'));
  });

  it('gets every process\'s metrics and health on a local port', async () => {
    for (const name of ['launcher', `agent-${settings().hosts[0]?.name}`]) {
      const { metricsPort } = JSON.parse(readFileSync(join(home, 'run/ready', `${name}.json`), 'utf8')) as { metricsPort: number };
      expect((await fetch(`http://127.0.0.1:${metricsPort}/health`)).status).toBe(200);
      expect(await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()).toMatch(/process_cpu_seconds_total/);
    }
  });

  it('finds no secret of the home in any log', () => {
    const secrets = Object.values(JSON.parse(readFileSync(join(home, 'secrets/launcher.json'), 'utf8')) as Record<string, unknown>).flatMap((value) => (typeof value === 'string' ? [value] : Object.values(value as Record<string, string>))).filter((value) => value.length > 15 && !value.startsWith('postgresql://') && !/^A[A-Z2-7]{55}$/.test(value));
    for (const child of children()) {
      const log = readFileSync(join(home, 'logs', `${child.name}.log`), { encoding: 'utf8', flag: 'a+' });
      for (const secret of secrets) expect(log.includes(secret)).toBe(false);
      expect(log).not.toMatch(/BEGIN (OPENSSH|RSA|USER NKEY)/);
    }
  });

  it('is told in one line when an up cannot work', async () => {
    const second = script('up', ['--detach']);
    expect([second.status, second.stderr.trim().split('\n').length]).toEqual([1, 1]);
    expect(second.stderr).toMatch(/is up already at http:\/\/127\.0\.0\.1:\d+/);
    const elsewhere = mkdtempSync(join(tmpdir(), 'skylite-other-'));
    const taken = createServer();
    const port = await new Promise<number>((done) => { taken.listen(0, '127.0.0.1', () => done((taken.address() as { port: number }).port)); });
    const inUse = script('up', ['--detach', '--port', String(port)], { dir: elsewhere });
    taken.close();
    expect([inUse.status, inUse.stderr]).toEqual([1, expect.stringMatching(new RegExp(`port ${port} is not available.*--port`))]);
    const words = script('up', ['--detach', '--colour', 'red'], { dir: elsewhere });
    expect([words.status, words.stderr.trim().split('\n').length]).toEqual([1, 1]);
    rmSync(elsewhere, { recursive: true, force: true });
  });

  it('goes down and up again, and a running guest has not noticed', async () => {
    let cloud = await api();
    const imageRef = ((await cloud.call('GET', '/image/v2/images?name=skylite-tiny')).body.images as { id: string }[])[0]?.id;
    const { body } = await cloud.call('POST', '/compute/v2.1/servers', { server: { name: 'sleeper', imageRef, flavorRef: '42', networks: 'none' } }, { 'openstack-api-version': 'compute 2.37' });
    const { id } = body.server as { id: string };
    const log = async (): Promise<string> => (await cloud.call('POST', `/compute/v2.1/servers/${id}/action`, { 'os-getConsoleOutput': {} })).body.output as string;
    await eventually('ready', 180_000, async () => /tiny: ready/.test(await log()));
    const before = await log();
    const host = settings().hosts.find(({ name }) => domains(name).some((domain) => domain.uuid === id))?.name ?? '';
    const down = script('down', []);
    expect([down.status, down.stderr]).toEqual([0, '']);
    expect(domains(host)).toEqual([{ uuid: id, running: true }]);
    await expect(api()).rejects.toThrow();
    const up = script('up', ['--detach']);
    expect([up.status, up.stderr]).toEqual([0, '']);
    cloud = await api();
    expect((await cloud.call('GET', `/compute/v2.1/servers/${id}`)).body.server).toMatchObject({ status: 'ACTIVE' });
    expect((await eventually('the console log', 180_000, log)).startsWith(before)).toBe(true);
    expect((await log()).split('tiny: ready').length).toBe(2);
    expect((await cloud.call('DELETE', `/compute/v2.1/servers/${id}`)).status).toBe(204);
    await eventually('its domain is gone', 180_000, () => domains(host).length === 0);
  });
});
