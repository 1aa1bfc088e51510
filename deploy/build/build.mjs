// Builds dist/: transpiles TypeScript with swc (types are checked by `npm run typecheck`), file by file and only
// what changed, generates the Prisma client when its schema changed, and copies what is not TypeScript.
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleAgent } from './bundle-agent.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const out = join(root, 'dist');

/** All files below `dir` whose name ends in `.ts`, without tests. */
function sources(dir) {
  return readdirSync(join(root, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : sources(path);
    return entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts') && !entry.name.endsWith('.spec.ts') ? [path] : [];
  });
}

const hashOf = (paths) => {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(path).update('\0').update(readFileSync(join(root, path))).update('\0');
  return hash.digest('hex');
};

/** Prisma's commands look for a native schema engine to download unless one is named; generating needs none. */
export function generatePrismaClient() {
  const schemas = readdirSync(join(root, 'prisma/schema')).sort().map((name) => join('prisma/schema', name));
  const stamp = join(root, 'libs/db/generated/.hash');
  const want = hashOf([...schemas, 'prisma.config.ts']);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return false;
  execFileSync(process.execPath, [join(root, 'node_modules/prisma/build/index.js'), 'generate'], {
    cwd: root,
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true', CHECKPOINT_DISABLE: '1', PRISMA_HIDE_UPDATE_MESSAGE: '1' },
    // What it says while all is well is noise; when it fails, the error carries it.
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  writeFileSync(stamp, want);
  return true;
}

export async function build() {
  generatePrismaClient();
  const { transformSync } = await import('@swc/core');
  const files = ['apps', 'libs'].filter((dir) => existsSync(join(root, dir))).flatMap(sources);
  const stampFile = join(out, '.stamps.json');
  const stamps = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : {};
  const next = {};
  let built = 0;
  for (const path of files) {
    const stat = statSync(join(root, path));
    const stamp = `${stat.mtimeMs}:${stat.size}`;
    next[path] = stamp;
    const target = join(out, path.replace(/\.ts$/, '.js'));
    if (stamps[path] === stamp && existsSync(target)) continue;
    const result = transformSync(readFileSync(join(root, path), 'utf8'), {
      filename: join(root, path), swcrc: true, configFile: join(root, '.swcrc'), sourceFileName: relative(dirname(target), join(root, path)),
    });
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, `${result.code}\n//# sourceMappingURL=${target.slice(target.lastIndexOf('/') + 1)}.map\n`);
    writeFileSync(`${target}.map`, result.map);
    built += 1;
  }
  for (const path of Object.keys(stamps)) {
    if (path in next) continue;
    rmSync(join(out, path.replace(/\.ts$/, '.js')), { force: true });
    rmSync(join(out, path.replace(/\.ts$/, '.js.map')), { force: true });
  }
  mkdirSync(out, { recursive: true });
  writeFileSync(stampFile, JSON.stringify(next));
  if (built > 0 || !existsSync(join(out, 'skylite-agent.mjs'))) await bundleAgent();
  return { files: files.length, built };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const started = Date.now();
  const { files, built } = await build();
  process.stdout.write(`built ${built} of ${files} files in ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}
