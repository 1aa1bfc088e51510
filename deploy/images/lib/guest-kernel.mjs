/**
 * The distribution's cloud kernel, and the few of its modules a guest needs: each with what it depends on, and with the
 * index files by which modprobe finds a driver for a device.
 */
import { copyFile, mkdir, readFile, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { BuildError } from './report.mjs';

const META_PACKAGE = 'linux-image-cloud-amd64';
const REAL_PACKAGE = /^linux-image-\d.*-cloud-amd64$/;
const INDEX_FILES = ['modules.dep', 'modules.alias', 'modules.softdep'];

/** The name of the package that holds the kernel at present. */
export function kernelPackage(packages) {
  return packages.resolveMeta(META_PACKAGE, REAL_PACKAGE);
}

/** @returns {Promise<{ release: string, image: string }>} the unpacked kernel: its release, and its bzImage's path */
export async function unpackedKernel(packages) {
  const [release] = await readdir(packages.path('lib/modules'));
  return { release, image: packages.path('boot', `vmlinuz-${release}`) };
}

/**
 * Puts modules and their index into an initramfs.
 * @param {string} scratch an empty folder for the trimmed module tree
 * @param {string[]} names module names; all must exist
 */
export async function addModules(packages, tree, scratch, names) {
  const { release } = await unpackedKernel(packages);
  const depmod = (root) => packages.runToolAs('depmod', packages.path('bin/kmod'), ['-b', root, release]);
  await depmod(packages.path());
  const files = closure(await readFile(packages.path('lib/modules', release, 'modules.dep'), 'utf8'), names);

  const folder = join('lib/modules', release);
  await mkdir(join(scratch, folder), { recursive: true });
  for (const file of files) {
    await copyFile(packages.path(folder, file), join(scratch, folder, basename(file)));
    tree.file(join(folder, basename(file)), await readFile(join(scratch, folder, basename(file))));
  }
  for (const index of ['modules.builtin', 'modules.order']) {
    await copyFile(packages.path(folder, index), join(scratch, folder, index));
  }
  await depmod(scratch);
  for (const index of INDEX_FILES) tree.file(join(folder, index), await readFile(join(scratch, folder, index)));
}

function closure(modulesDep, names) {
  const dependsOn = new Map();
  for (const line of modulesDep.split('\n')) {
    const [file, rest] = line.split(':');
    if (rest !== undefined) dependsOn.set(file, rest.trim().split(/\s+/).filter(Boolean));
  }
  const byName = new Map([...dependsOn.keys()].map((file) => [basename(file, '.ko').replaceAll('-', '_'), file]));
  const files = new Set();
  for (const name of names) {
    const file = byName.get(name);
    if (!file) throw new BuildError(`the kernel has no module ${name}`, 'take it off the recipe, or look whether it is built in');
    for (const needed of [...dependsOn.get(file), file]) files.add(needed);
  }
  return [...files].sort();
}
