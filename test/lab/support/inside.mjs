/** Programs of ours that run inside the lab: bundled from the tree's sources into one file, put in, run by our own Node there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const NODE = '/usr/lib/skylite/node --no-warnings --max-semi-space-size=2';

/** @returns {Promise<string>} the command that runs `entry` (a .ts or .mjs file of the tree) in the lab */
export async function placed(lab, entry) {
  const { build } = await import('esbuild');
  const folder = mkdtempSync(join(tmpdir(), 'skylite-lab-inside-'));
  const name = `${basename(entry).replace(/\.\w+$/, '')}.mjs`;
  try {
    await build({
      entryPoints: [entry], outfile: join(folder, name), bundle: true, platform: 'node', format: 'esm', target: 'node24', conditions: ['source'], logLevel: 'warning',
      banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
    });
    await lab.put(join(folder, name), `/opt/lab/${name}`, '0644');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return `${NODE} /opt/lab/${name}`;
}
