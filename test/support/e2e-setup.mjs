// One whole cloud for all end-to-end tests: `npm run up -- --detach --hosts 2` in a home and on a port of its own.
// SKYLITE_E2E_HOME names a cloud that runs already (faster while writing tests); it is left as it is.
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const freePort = () => new Promise((done) => { const server = createServer().listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => done(port)); }); });

export default async function setup() {
  if (process.env.SKYLITE_E2E_HOME) return;
  const home = mkdtempSync('/var/tmp/skylite-e2e-');
  const port = String(await freePort());
  const started = Date.now();
  const result = spawnSync(process.execPath, ['deploy/one-machine/up.mjs', '--detach', '--hosts', '2', '--port', port], { cwd: root, env: { ...process.env, SKYLITE_HOME: home }, encoding: 'utf8', timeout: 600_000 });
  process.env.SKYLITE_E2E_OWNED = home;
  process.env.SKYLITE_E2E_HOME = home;
  process.env.SKYLITE_E2E_UP_OUTPUT = result.stdout;
  process.stderr.write(`cloud for end-to-end tests: ${result.status === 0 ? 'up' : 'FAILED'} after ${((Date.now() - started) / 1000).toFixed(1)} s\n${result.stderr}`);
  if (result.status !== 0) {
    spawnSync(process.execPath, ['deploy/one-machine/down.mjs', '--purge', '--yes'], { cwd: root, env: process.env, timeout: 120_000 });
    throw new Error(`up failed: ${result.stdout}\n${result.stderr}`);
  }
}
