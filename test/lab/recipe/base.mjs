/**
 * What the emulated host is made from: a root file system of distribution packages (by mmdebstrap, which is itself only unpacked), with
 * the kernel's modules. The outer QEMU runs from it too. One folder in the cache, named by the packages' versions and this recipe; it
 * appears by a rename and is never written again.
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from '../../../deploy/images/lib/image-cache.mjs';
import { Packages } from '../../../deploy/images/lib/packages.mjs';
import { progress, run } from '../../../deploy/images/lib/report.mjs';
import { GUEST_MODULES, HOST_MODULES, installModules, kernelIn, writeUnpackedKernel } from './kernel.mjs';
import { SUITE, Suite } from './suite.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const KERNEL = 'linux-image-amd64';
const PACKAGES = [
  'libvirt-daemon', 'libvirt-daemon-driver-qemu', 'libvirt-daemon-driver-nodedev', 'libvirt-daemon-driver-network', 'libvirt-daemon-driver-storage',
  ...['libvirt-daemon-driver-nwfilter', 'libvirt-daemon-driver-secret', 'libvirt-daemon-driver-interface', 'libvirt-clients', 'qemu-system-x86', 'qemu-utils'],
  ...['udev', 'kmod', 'iproute2', 'iputils-ping', 'tcpdump', 'pciutils', 'procps', 'socat', 'busybox-static', 'e2fsprogs', 'libstdc++6'],
];
/** Nobody reads them in there. */
const SURPLUS = ['boot', 'var/lib/apt/lists', 'var/cache/apt', ...['doc', 'man', 'locale', 'info'].map((name) => `usr/share/${name}`)];

/** Where the lab keeps what it built: outside every clone, so that they share it. */
export const cacheFolder = () => process.env.SKYLITE_LAB_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'skylite-lab');

/** @returns {Promise<{ name: string, rootfs: string, release: string, kernel: string, vmlinux: string }>} `kernel`: packed, for guests */
export async function builtBase() {
  const cache = cacheFolder();
  await mkdir(cache, { recursive: true });
  const suite = new Suite(cache);
  await suite.refresh();
  const kernelPackage = await suite.resolveMeta(KERNEL, /^linux-image-\d/);
  const recipe = createHash('sha256');
  for (const name of ['base.mjs', 'kernel.mjs', 'suite.mjs']) recipe.update(await readFile(join(HERE, name)));
  const name = `base-${recipe.digest('hex').slice(0, 12)}-${await suite.versions([...PACKAGES, kernelPackage])}`;
  const folder = join(cache, name);
  await ensureBuilt(folder, (work) => build({ suite, kernelPackage, cache, work, folder }));
  const release = (await readFile(join(folder, 'release'), 'utf8')).trim();
  return { name, rootfs: join(folder, 'rootfs'), release, kernel: join(folder, 'vmlinuz'), vmlinux: join(folder, 'vmlinux') };
}

async function build({ suite, kernelPackage, cache, work, folder }) {
  const result = join(work, 'result');
  const rootfs = join(result, 'rootfs');
  const kernel = join(work, 'kernel');
  await mkdir(result);
  progress('the lab: root file system');
  const tools = new Packages(cache, join(work, 'tools'));
  await tools.unpack(['mmdebstrap']);
  // In mounts of its own: mmdebstrap mounts the machine's /proc, /sys and /dev/shm into what it builds. Were it killed, they would
  // stand there still when the scratch folder is removed, and the machine's own files would go with it.
  await run('unshare', ['--mount', '--propagation', 'private', 'perl', tools.path('usr/bin/mmdebstrap'), '--quiet', '--variant=minbase', `--include=${PACKAGES.join(',')}`, SUITE, rootfs, suite.sources], { cure: 'see the message; root is needed' });
  progress('the lab: kernel');
  await suite.unpack(kernelPackage, kernel);
  const { release, image } = await kernelIn(kernel);
  await installModules({ kernel, rootfs, tool: rootfsTool(rootfs), names: [...HOST_MODULES, ...GUEST_MODULES] });
  await writeUnpackedKernel(image, join(result, 'vmlinux'));
  await copyFile(image, join(result, 'vmlinuz'));
  for (const name of SURPLUS) await rm(join(rootfs, name), { recursive: true, force: true });
  await writeFile(join(result, 'release'), `${release}\n`);
  await rename(result, folder);
}

/** Runs a program of the root file system here, with its own loader and libraries. */
export const rootfsTool = (rootfs) => (program, argv0, args) => run(join(rootfs, 'lib64/ld-linux-x86-64.so.2'), ['--argv0', argv0, '--library-path', join(rootfs, 'usr/lib/x86_64-linux-gnu'), join(rootfs, program), ...args], { env: { MKE2FS_CONFIG: '/dev/null' } });
