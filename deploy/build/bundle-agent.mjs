// Bundles the agent into one file, dist/skylite-agent.mjs: a new host needs this file, Node 24, libvirt and QEMU.
import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** @param outfile where to; tests bundle beside what runs */
export async function bundleAgent(outfile = join(root, 'dist/skylite-agent.mjs')) {
  const { build } = await import('esbuild');
  mkdirSync(dirname(outfile), { recursive: true });
  await build({
    entryPoints: [join(root, 'apps/compute-agent/src/main.ts')], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node24', conditions: ['source'],
    // The agent has no Nest: the bus's Nest transport falls away as unused, and must not be looked for.
    external: ['@nestjs/*', 'rxjs'],
    // Bundled CommonJS packages ask for node's own modules by require.
    banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
    logLevel: 'warning', sourcemap: true,
  });
  return outfile;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(`${await bundleAgent()}\n`);
