import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Home, type Settings } from './home.js';
import { ensureSecrets } from './secrets.js';

describe('secrets of a home', () => {
  let home: Home;
  beforeEach(() => { 
    home = new Home(mkdtempSync(join(tmpdir(), 'skylite-secrets-')));
    mkdirSync(home.secretsDir, { mode: 0o700 });
  });
  afterEach(() => { rmSync(home.dir, { recursive: true, force: true }); });
  const settings: Settings = { id: '0123abcd', bind: '127.0.0.1', port: 8780, natsPort: 4222, hosts: [], localHost: false, fleet: 0, virt: null };
  const ensure = async () => (await ensureSecrets(home, settings, (password) => `postgresql://postgres:${password}@/skylite?host=/run/x`)).secrets;

  it('are made once and stay', async () => {
    const first = await ensure();
    const written = readFileSync(home.secretsFile, 'utf8');
    expect(await ensure()).toEqual(first);
    expect(readFileSync(home.secretsFile, 'utf8')).toBe(written);
    expect(statSync(home.secretsFile).mode & 0o077).toBe(0);
  });

  it('of an earlier version get what it did not have yet, and keep the rest', async () => {
    const made = await ensure();
    const { idempotencySecret: _gone, credentialKey: _not, databasePasswords: { api: _too, ...passwords }, ...rest } = made;
    writeFileSync(home.secretsFile, JSON.stringify({ ...rest, databasePasswords: passwords }), { mode: 0o600 });
    const upgraded = await ensure();
    expect(upgraded).toEqual({ ...made, idempotencySecret: expect.stringMatching(/^[0-9a-f]{64}$/), credentialKey: expect.stringMatching(/^[0-9a-f]{64}$/), databasePasswords: { ...passwords, api: expect.stringMatching(/^.{16,}$/) } });
    expect(await ensure()).toEqual(upgraded);
  });
});
