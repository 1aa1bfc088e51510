// Runs the product's own TypeScript in this process: transpiled as it is loaded, with Nest's decorators, and (for seeded
// bugs) with one piece of one file replaced. The agent's file system is exchanged for one in memory.
import { existsSync, readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transformSync } from '@swc/core';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const VIRTUAL = pathToFileURL(join(root, 'test/simulation/world/virtual-fs.mjs')).href;
const AGENT = pathToFileURL(join(root, 'apps/compute-agent/src/')).href;

/** @param mutations each { name, file, from, to }: `from` must stand in the file exactly once */
export function useProduct(mutations = []) {
  registerHooks({
    resolve(specifier, context, next) {
      if ((specifier === 'node:fs' || specifier === 'node:fs/promises') && context.parentURL?.startsWith(AGENT)) return { url: VIRTUAL, shortCircuit: true };
      if (specifier.startsWith('#libs/')) return { url: pathToFileURL(join(root, 'libs', specifier.slice(6), 'index.ts')).href, shortCircuit: true };
      if (specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL) {
        const ts = new URL(`${specifier.slice(0, -3)}.ts`, context.parentURL);
        if (existsSync(ts)) return { url: ts.href, shortCircuit: true };
      }
      return next(specifier, context);
    },
    load(url, context, next) {
      if (!url.startsWith('file:') || !new URL(url).pathname.endsWith('.ts')) return next(url, context);
      const path = fileURLToPath(url);
      let source = readFileSync(path, 'utf8');
      for (const mutation of mutations.filter(({ file }) => path === join(root, file))) {
        if (source.split(mutation.from).length !== 2) throw new Error(`the seeded bug '${mutation.name}' does not apply: its text does not stand in ${mutation.file} exactly once`);
        source = source.replace(mutation.from, () => mutation.to);
      }
      const { code } = transformSync(source, { filename: path, swcrc: true, configFile: join(root, '.swcrc'), sourceMaps: 'inline' });
      return { format: 'module', source: code, shortCircuit: true };
    },
  });
}
