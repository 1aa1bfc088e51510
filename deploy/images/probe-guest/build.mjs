/**
 * Builds the smallest guest that proves a host can really run a Linux kernel: kernel and initramfs, started directly. It
 * prints "skylite-probe: alive" on the serial line and powers off.
 *
 *   node build.mjs               builds unless cached; last line of stdout: {"kernel": path, "initrd": path}
 *   node build.mjs --print-path  only prints where they are, or would be
 */
import { copyFile, mkdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kernelPackage, unpackedKernel } from '../lib/guest-kernel.mjs';
import { cacheRoot, ensureBuilt, recipeHash } from '../lib/image-cache.mjs';
import { addBusybox, InitramfsTree, packInitramfs } from '../lib/initramfs.mjs';
import { Packages } from '../lib/packages.mjs';
import { progress, runMain } from '../lib/report.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));

/**
 * Where the probe guest is; builds it when `build` is set and it is not there yet.
 * @returns {Promise<{ kernel: string, initrd: string }>}
 */
export async function probeGuest({ build = true } = {}) {
  const folder = join(cacheRoot(), 'images', `probe-guest-${await recipeHash(HERE)}`);
  if (build) await ensureBuilt(folder, (work) => buildInto(work, folder));
  return { kernel: join(folder, 'kernel'), initrd: join(folder, 'initrd') };
}

async function buildInto(work, folder) {
  progress('building the probe guest');
  const packages = new Packages(cacheRoot(), join(work, 'packages'));
  await packages.unpack(['busybox-static', 'lz4', await kernelPackage(packages)]);

  const tree = new InitramfsTree();
  await addBusybox(packages, tree);
  tree.directory('dev').directory('proc');
  tree.file('init', await readFile(join(HERE, 'init')), 0o755);

  const result = join(work, 'result');
  await mkdir(result);
  await packInitramfs(packages, tree, join(work, 'initrd'));
  await copyFile(join(work, 'initrd'), join(result, 'initrd'));
  await copyFile((await unpackedKernel(packages)).image, join(result, 'kernel'));
  await rename(result, folder);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(async () => {
    const paths = await probeGuest({ build: !process.argv.includes('--print-path') });
    process.stdout.write(`${JSON.stringify(paths)}\n`);
  });
}
