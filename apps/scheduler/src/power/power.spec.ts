import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { PowerSettings } from './fence-agent.js';
import { IpmiAgent } from './ipmi.agent.js';
import { RedfishAgent } from './redfish.agent.js';
import { seal, unseal } from './sealing.js';

const folder = mkdtempSync(join(tmpdir(), 'power-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('sealing', () => {
  const key = new Uint8Array(32).fill(1);
  it('opens with the same key for the same host only', () => {
    const sealed = seal(key, 'host-a', 'hunter2');
    expect(sealed.toString('latin1')).not.toContain('hunter2');
    expect(unseal(key, 'host-a', sealed)).toBe('hunter2');
    expect(seal(key, 'host-a', 'hunter2').equals(sealed)).toBe(false);
    expect(() => unseal(key, 'host-b', sealed)).toThrow();
    expect(() => unseal(new Uint8Array(32), 'host-a', sealed)).toThrow();
    sealed[sealed.length - 1]! ^= 1;
    expect(() => unseal(key, 'host-a', sealed)).toThrow();
  });
});

describe('IPMI', () => {
  const settings: PowerSettings = { kind: 'ipmi', address: '10.0.0.9:624', username: 'ADMIN', password: 'hunter2', options: {} };
  const tool = (script: string): string => {
    const path = join(folder, `ipmitool-${Math.random()}`);
    writeFileSync(path, `#!/bin/sh\necho "$@ | $IPMI_PASSWORD" >> ${folder}/ipmi.log\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  };
  beforeEach(() => writeFileSync(join(folder, 'ipmi.log'), ''));

  it('cuts the power, and waits until the machine says that it is off; the password is in no argument', async () => {
    const state = join(folder, 'looks');
    rmSync(state, { force: true });
    const path = tool(`case "$*" in *"power off"*) echo "Chassis Power Control: Down/Off";; *status*) if [ -e ${state} ]; then echo "Chassis Power is off"; else touch ${state}; echo "Chassis Power is on"; fi;; esac`);
    expect(await new IpmiAgent(path, 5).powerOff(settings, AbortSignal.timeout(60_000))).toEqual({ text: 'IPMI at 10.0.0.9:624: Chassis Power is off' });
    const lines = readFileSync(join(folder, 'ipmi.log'), 'utf8').trim().split('\n');
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      const [args, password] = line.split(' | ');
      expect(args).toMatch(/^-I lanplus -H 10\.0\.0\.9 -p 624 -U ADMIN -E chassis power (off|status)$/);
      expect(password).toBe('hunter2');
    }
  });

  it('proves nothing when the machine goes on, refuses, or cannot be asked', async () => {
    await expect(new IpmiAgent(tool('echo "Chassis Power is on"'), 5).powerOff(settings, AbortSignal.timeout(400))).rejects.toThrow();
    await expect(new IpmiAgent(tool('echo "Error: Unable to establish IPMI v2 / RMCP+ session" >&2; exit 1'), 5).powerOff(settings, AbortSignal.timeout(60_000))).rejects.toMatchObject({ kind: 'unavailable', message: expect.stringContaining('Unable to establish') });
    await expect(new IpmiAgent(join(folder, 'nothing'), 5).powerOff(settings, AbortSignal.timeout(60_000))).rejects.toMatchObject({ message: expect.stringContaining('not installed') });
  });
});

describe('Redfish', () => {
  let server: Server;
  let settings: PowerSettings;
  let power = 'On';
  let sessions: boolean;
  let stubborn = false;
  let asked: string[] = [];

  beforeAll(async () => {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem'), '-days', '2', '-subj', '/CN=bmc'], { stdio: 'ignore' });
    const cert = readFileSync(join(folder, 'cert.pem'));
    server = createServer({ key: readFileSync(join(folder, 'key.pem')), cert }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        asked.push(`${request.method} ${request.url}`);
        const answer = (status: number, content: unknown, headers: Record<string, string> = {}): void => { response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(content === undefined ? undefined : JSON.stringify(content)); };
        if (request.url === '/redfish/v1/SessionService/Sessions') {
          const { UserName, Password } = JSON.parse(body) as { UserName: string; Password: string };
          if (!sessions) return answer(404, { error: { message: 'no sessions here' } });
          return UserName === 'root' && Password === 'hunter2' ? answer(201, {}, { 'x-auth-token': 'tok', location: '/redfish/v1/SessionService/Sessions/7' }) : answer(401, {});
        }
        const known = request.headers['x-auth-token'] === 'tok' || request.headers.authorization === `Basic ${Buffer.from('root:hunter2').toString('base64')}`;
        if (!known) return answer(401, { error: { message: 'who are you?' } });
        if (request.method === 'DELETE') return answer(204, undefined);
        if (request.url === '/redfish/v1/Systems') return answer(200, { Members: [{ '@odata.id': '/redfish/v1/Systems/1' }] });
        if (request.url === '/redfish/v1/Systems/1') return answer(200, { PowerState: power });
        if (request.url === '/redfish/v1/Systems/1/Actions/ComputerSystem.Reset' && (JSON.parse(body) as { ResetType: string }).ResetType === 'ForceOff') {
          if (!stubborn) setTimeout(() => { power = 'Off'; }, 20);
          return answer(204, undefined);
        }
        return answer(400, { error: { message: 'what?' } });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    settings = {
      kind: 'redfish', address: `127.0.0.1:${(server.address() as AddressInfo).port}`, username: 'root', password: 'hunter2',
      options: { certificateSha256: new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase() },
    };
  });
  afterAll(() => new Promise<void>((resolve) => { server.closeAllConnections(); server.close(() => resolve()); }));
  beforeEach(() => { power = 'On'; sessions = true; stubborn = false; asked = []; });

  it.each([true, false])('cuts the power and waits until the machine says that it is off (sessions: %s)', async (withSessions) => {
    sessions = withSessions;
    const proof = await new RedfishAgent(5).powerOff(settings, AbortSignal.timeout(60_000));
    expect(proof.text).toContain('/redfish/v1/Systems/1 says PowerState Off');
    expect(asked).toContain('POST /redfish/v1/Systems/1/Actions/ComputerSystem.Reset');
    expect(asked.includes('DELETE /redfish/v1/SessionService/Sessions/7')).toBe(withSessions);
  });

  it('is done at once with what is off', async () => {
    power = 'Off';
    await new RedfishAgent(5).powerOff(settings, AbortSignal.timeout(60_000));
    expect(asked.some((line) => line.includes('Reset'))).toBe(false);
  });

  it('proves nothing when the machine goes on, the password is wrong, or it is another machine', async () => {
    stubborn = true;
    await expect(new RedfishAgent(5).powerOff(settings, AbortSignal.timeout(300))).rejects.toThrow();
    await expect(new RedfishAgent(5).powerOff({ ...settings, password: 'wrong' }, AbortSignal.timeout(60_000))).rejects.toMatchObject({ message: expect.stringContaining('who are you?') });
    asked = [];
    await expect(new RedfishAgent(5).powerOff({ ...settings, options: { certificateSha256: '0'.repeat(64) } }, AbortSignal.timeout(60_000))).rejects.toMatchObject({ message: expect.stringContaining('certificate is another one') });
    // Nothing was said to it, the password least of all; and without a pin nobody vouches for it.
    await expect(new RedfishAgent(5).powerOff({ ...settings, options: {} }, AbortSignal.timeout(60_000))).rejects.toMatchObject({ kind: 'unavailable' });
    expect(asked).toEqual([]);
  });
});
