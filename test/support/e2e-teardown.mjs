import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

export default function teardown() {
  const home = process.env.SKYLITE_E2E_OWNED;
  if (!home) return;
  const result = spawnSync(process.execPath, ['deploy/one-machine/down.mjs', '--purge', '--yes'], { cwd: resolve(import.meta.dirname, '../..'), env: { ...process.env, SKYLITE_HOME: home }, encoding: 'utf8', timeout: 180_000 });
  if (result.status !== 0) process.stderr.write(`the cloud of the end-to-end tests did not go away: ${result.stderr}\n`);
}
