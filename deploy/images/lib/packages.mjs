/**
 * Distribution packages as a quarry: downloaded with apt (which checks their signatures) into the cache, unpacked into a
 * scratch folder, never installed. Nothing of the machine's own /usr goes into an image, and nothing of the machine is
 * changed; when its package lists are missing or stale, a private copy of the lists is fetched into the cache instead.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError, progress, run } from './report.mjs';

const CURE_NETWORK = 'check the network and /etc/apt/sources.list, then try again';
const SHARED_LIBRARY_PACKAGE = /^(lib(?!perl)|zlib)/;
const LIBRARY_FOLDERS = ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu'];
const LOADER = 'lib64/ld-linux-x86-64.so.2';

export class Packages {
  #cache;
  #tree;
  #options = [];
  #privateLists = false;

  /**
   * @param {string} cacheRoot downloads are kept below it
   * @param {string} tree scratch folder into which packages are unpacked
   */
  constructor(cacheRoot, tree) {
    this.#cache = cacheRoot;
    this.#tree = tree;
  }

  /** An unpacked file, e.g. path('bin/busybox'). */
  path(...parts) {
    return join(this.#tree, ...parts);
  }

  /**
   * Downloads and unpacks packages and the shared-library packages they depend on.
   * @param {string[]} names
   */
  async unpack(names) {
    await demandApt();
    await mkdir(join(this.#cache, 'packages'), { recursive: true });
    const debs = await this.#retryWithFreshLists(async () => this.#download(await this.#withLibraries(names)));
    await mkdir(this.#tree, { recursive: true });
    for (const deb of debs) {
      await run('dpkg-deb', ['--extract', deb, this.#tree], { cure: `remove ${deb} and try again` });
    }
    progress(`${debs.length} packages unpacked`);
  }

  /** The package a meta package stands for at present, e.g. linux-image-cloud-amd64 → linux-image-6.1.0-56-cloud-amd64. */
  async resolveMeta(meta, pattern) {
    await demandApt();
    return this.#retryWithFreshLists(async () => {
      const found = (await this.#dependencies([meta])).find((name) => pattern.test(name));
      if (!found) throw new BuildError(`package ${meta} is not known to apt`, 'Debian 12 is needed; ' + CURE_NETWORK);
      return found;
    });
  }

  /** Runs an unpacked program with the unpacked loader and libraries, so that nothing needs to be installed. */
  async runTool(program, args, options = {}) {
    const tool = this.path(program);
    const argv0 = program.split('/').at(-1);
    return this.runToolAs(argv0, tool, args, options);
  }

  /** As runTool, for a program that looks at the name it is called by. */
  async runToolAs(argv0, tool, args, options = {}) {
    return run(this.path(LOADER), ['--argv0', argv0, '--library-path', this.#libraryPath(), tool, ...args], options);
  }

  /**
   * The shared libraries an unpacked program needs.
   * @returns {Promise<{ soname: string, file: string }[]>} `file` is where it lies unpacked
   * @throws {BuildError} when one would come from the machine instead of from a package
   */
  async librariesOf(program) {
    const listing = await run(this.path(LOADER), [
      ...['--inhibit-cache', '--library-path', this.#libraryPath(), '--list', this.path(program)],
    ]);
    const libraries = [];
    for (const [, soname, file] of listing.matchAll(/^\s*(\S+) => (\S+)/gm)) {
      if (soname.startsWith('/')) continue; // the loader itself
      if (!file.startsWith(`${this.#tree}/`)) {
        throw new BuildError(`${program} needs ${soname}, which no downloaded package holds`, 'add its package to the recipe');
      }
      libraries.push({ soname, file: await realpath(file) });
    }
    return libraries;
  }

  /** The unpacked dynamic loader. */
  async loader() {
    return { path: `/${LOADER}`, file: await realpath(this.path(LOADER)) };
  }

  #libraryPath() {
    return LIBRARY_FOLDERS.map((folder) => this.path(folder)).join(':');
  }

  async #withLibraries(names) {
    const wanted = new Set(names);
    for (let fresh = names; fresh.length > 0; ) {
      const next = (await this.#dependencies(fresh)).filter((name) => SHARED_LIBRARY_PACKAGE.test(name) && !wanted.has(name));
      fresh = [...new Set(next)];
      for (const name of fresh) wanted.add(name);
    }
    return [...wanted].sort();
  }

  async #dependencies(names) {
    const text = await run('apt-cache', [...this.#options, 'depends', '--important', ...names], { cure: CURE_NETWORK });
    return [...text.matchAll(/^\s*\|?(?:Pre)?Depends: (\S+)/gm)].map((match) => match[1]).filter((name) => !name.startsWith('<'));
  }

  async #download(names) {
    const store = join(this.#cache, 'packages');
    const listing = await run('apt-get', [...this.#options, 'download', '--print-uris', ...names], { cure: CURE_NETWORK });
    const files = [...listing.matchAll(/^'[^']+' (\S+) (\d+) (?:SHA256:([0-9a-f]{64}))?/gm)].map(([, name, size, sha256]) => ({
      path: join(store, name),
      name,
      size: Number(size),
      sha256,
    }));
    const missing = [];
    for (const file of files) if (!(await isWhole(file))) missing.push(file);
    if (missing.length === 0) return files.map((file) => file.path);

    const mebibytes = missing.reduce((sum, file) => sum + file.size, 0) / 2 ** 20;
    progress(`downloading ${missing.length} packages, ${mebibytes.toFixed(1)} MiB`);
    const partial = await mkdtemp(join(store, 'partial-'));
    try {
      const wanted = missing.map((file) => file.name.split('_')[0]);
      // The download user of apt cannot reach a private folder; apt then warns and goes on as root. Say so up front.
      const asRoot = process.getuid() === 0 ? ['-o', 'APT::Sandbox::User=root'] : [];
      await run('apt-get', [...this.#options, ...asRoot, '-q', 'download', ...wanted], { cwd: partial, cure: CURE_NETWORK });
      for (const name of await readdir(partial)) await rename(join(partial, name), join(store, name));
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
    return files.map((file) => file.path);
  }

  async #retryWithFreshLists(work) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BuildError) || this.#privateLists) throw error;
      progress(`${error.message.split(' — ')[0]}; fetching fresh package lists`);
      await this.#fetchPrivateLists();
      return work();
    }
  }

  async #fetchPrivateLists() {
    const apt = join(this.#cache, 'apt');
    await mkdir(join(apt, 'lists', 'partial'), { recursive: true });
    await mkdir(join(apt, 'archives', 'partial'), { recursive: true });
    this.#privateLists = true;
    this.#options = [
      ...['-o', `Dir::State::lists=${apt}/lists`, '-o', `Dir::Cache=${apt}`, '-o', 'Debug::NoLocking=1'],
      ...['-o', 'APT::Sandbox::User='],
    ];
    // By itself apt calls an update a success even if it reached nobody.
    await run('apt-get', [...this.#options, '-q', '-o', 'APT::Update::Error-Mode=any', 'update'], { cure: CURE_NETWORK });
  }
}

async function demandApt() {
  if (process.arch !== 'x64') {
    throw new BuildError(`this recipe makes x86-64 guests and the machine is ${process.arch}`, 'use an x86-64 machine');
  }
  for (const tool of ['apt-get', 'dpkg-deb']) {
    await run(tool, ['--version'], { cure: 'the recipe needs a Debian machine: run it on Debian 12, or copy the finished image' });
  }
}

async function isWhole({ path, size, sha256 }) {
  const found = await stat(path).catch(() => null);
  if (found?.size !== size) return false;
  if (!sha256) return true;
  return createHash('sha256').update(await readFile(path)).digest('hex') === sha256;
}
