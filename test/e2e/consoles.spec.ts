import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, eventually, openstack, openstackJson } from '../support/cloud.js';
import { ConsoleClient } from '../support/console-door.js';

/** Consoles as people have them: an address from the unmodified client, a WebSocket client of any make, a guest that answers. */
describe('consoles', () => {
  const address = async (...words: string[]): Promise<string> => (await openstackJson<{ url: string }>(['console', 'url', 'show', ...words, 'looked-at'])).url;

  beforeAll(async () => {
    await openstack(['server', 'create', '--flavor', 'm1.nano', '--image', 'skylite-tiny', '--wait', 'looked-at']);
    await eventually('ready', 180_000, async () => /tiny: ready/.test(await openstack(['console', 'log', 'show', 'looked-at'])));
  });
  afterAll(() => openstack(['server', 'delete', '--wait', 'looked-at']).then(() => undefined, () => undefined));

  it('let one type to the guest', async () => {
    const url = await address('--serial');
    const client = await ConsoleClient.open(url);
    client.socket.send('\n');
    await client.hears('login: ', 180_000);
    client.socket.send('nobody-of-this-name\n');
    await client.hears('Password: ', 180_000);
    await expect(ConsoleClient.open(url)).rejects.toThrow('403');
    client.socket.close();
    await client.closed;
  });

  it('show the screen, and end with the server', async () => {
    const url = await address('--novnc');
    const page = await fetch(url);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('vnc-page.js')]);
    const client = await ConsoleClient.open(url.replace(/^http/, 'ws'));
    await client.hears('RFB 003.008\n', 180_000);
    await openstack(['server', 'stop', 'looked-at']);
    expect(await client.closed).toEqual({ code: 1000, reason: 'The server closed its console.' });
    // The guest was gone before anybody could say so.
    await eventually('it is off', 180_000, async () => (await openstackJson<{ status: string }>(['server', 'show', 'looked-at'])).status === 'SHUTOFF');
    await expect(address('--novnc')).rejects.toThrow(/is not ready/);
  });

  it('are in the history, and diagnostics are the administrator’s', async () => {
    const { id } = await openstackJson<{ id: string }>(['server', 'show', 'looked-at']);
    const admin = await api();
    const { timeline } = (await admin.call('GET', `/v1/servers/${id}/timeline`)).body as { timeline: unknown[] };
    expect(JSON.stringify(timeline).match(/"console-open"/g)?.length).toBeGreaterThanOrEqual(2);
    await openstack(['server', 'start', 'looked-at']);
    await eventually('diagnostics', 180_000, async () => (await admin.call('GET', `/compute/v2.1/servers/${id}/diagnostics`)).status === 200);
    const { body } = await admin.call('GET', `/compute/v2.1/servers/${id}/diagnostics`, undefined, { 'openstack-api-version': 'compute 2.48' });
    expect(body).toMatchObject({ driver: 'libvirt', state: 'running', num_cpus: 1, memory_details: { maximum: 128 } });
  });
});
