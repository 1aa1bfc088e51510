/**
 * Where built images live: outside the clone, named by the content of the recipe that makes them, so that every clone on
 * a machine shares them and a changed recipe never meets an old image.
 * Publishing is a rename: a name exists only with its whole content. A crash leaves at most a `work-*` folder, which the
 * next builder sweeps once it is a day old.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withFileLock } from './file-lock.mjs';
import { BuildError, CURE_SPACE, progress } from './report.mjs';

const LIB = dirname(fileURLToPath(import.meta.url));
const HASH_DIGITS = 16;
const FREE_BYTES_NEEDED = 512 * 1024 * 1024;
const ABANDONED_AFTER_MS = 24 * 3600 * 1000;

/** The machine-wide cache: $SKYLITE_CACHE or /var/cache/skylite. */
export function cacheRoot() {
  return process.env.SKYLITE_CACHE || '/var/cache/skylite';
}

/** A stable name for what a recipe makes: a hash over this library and the recipe's own folder (paths and bytes). */
export async function recipeHash(recipeFolder) {
  const hash = createHash('sha256');
  for (const folder of [LIB, recipeFolder]) {
    for (const file of await filesBelow(folder)) {
      if (/\.(md|spec\.ts)$/.test(file)) continue;
      hash.update(`${relative(folder, file)}\0`).update(await readFile(file)).update('\0');
    }
  }
  return hash.digest('hex').slice(0, HASH_DIGITS);
}

/** All files below a folder, absolute, in a stable order. */
export async function filesBelow(folder) {
  const found = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...(await filesBelow(path)));
    else if (entry.isFile()) found.push(path);
  }
  return found.sort();
}

/**
 * Returns when `path` exists, building it first when it does not; one builder at a time on this machine.
 * @param {string} path the finished file or folder
 * @param {(work: string) => Promise<void>} build fills the scratch folder `work` and renames its result to `path`
 */
export async function ensureBuilt(path, build) {
  if (await exists(path)) return;
  const images = dirname(path);
  await mkdir(images, { recursive: true });
  await withFileLock(
    join(images, '.lock'),
    async () => {
      if (await exists(path)) return;
      await sweep(images);
      await demandSpace(images);
      const work = await mkdtemp(join(images, 'work-'));
      try {
        await build(work);
      } finally {
        await rm(work, { recursive: true, force: true });
      }
    },
    () => progress('another builder is at work here; waiting for it'),
  );
}

async function demandSpace(folder) {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= FREE_BYTES_NEEDED) return;
  throw new BuildError(
    `${folder} has ${Math.floor((bavail * bsize) / 2 ** 20)} MiB free and building needs ${FREE_BYTES_NEEDED / 2 ** 20}`,
    CURE_SPACE,
  );
}

async function sweep(images) {
  for (const name of await readdir(images)) {
    if (!name.startsWith('work-')) continue;
    const { mtimeMs } = await stat(join(images, name));
    if (Date.now() - mtimeMs > ABANDONED_AFTER_MS) await rm(join(images, name), { recursive: true, force: true });
  }
}

async function exists(path) {
  return stat(path).then(
    () => true,
    () => false,
  );
}
