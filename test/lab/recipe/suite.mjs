/**
 * Packages of the suite that the emulated host is made of, which is newer than the machine's own: package lists and downloads
 * of their own below the lab's cache. The machine's apt configuration is read (whence, and signed by whom), never changed, and
 * nothing is installed. Killed at any moment it leaves lists that the next update mends.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError, progress, run } from '../../../deploy/images/lib/report.mjs';

export const SUITE = 'trixie';
const CURE = 'check the network and the sources of apt, then try again';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** Lists older than this are fetched anew: a new version of a package makes a new lab. */
const LISTS_KEEP_MS = 7 * 24 * 3600_000;

export class Suite {
  #folder;

  /** @param {string} cache the lab's cache folder */
  constructor(cache) {
    this.#folder = join(cache, 'apt');
  }

  /** A file in deb822 style that names the suite, for mmdebstrap. */
  get sources() {
    return join(this.#folder, 'etc/sources.list.d/lab.sources');
  }

  /** Makes the lists usable: fetched once a week; old ones do when nobody answers. */
  async refresh() {
    const stamp = join(this.#folder, 'fresh');
    if (existsSync(stamp) && Date.now() - statSync(stamp).mtimeMs < LISTS_KEEP_MS) return;
    for (const name of ['etc/apt.conf.d', 'etc/preferences.d', 'etc/sources.list.d', 'state/lists/partial', 'cache/archives/partial']) await mkdir(join(this.#folder, name), { recursive: true });
    await writeFile(join(this.#folder, 'etc/sources.list'), '');
    await writeFile(join(this.#folder, 'state/status'), '');
    await writeFile(this.sources, `Types: deb\nURIs: ${mirror()}\nSuites: ${SUITE}\nComponents: main\nSigned-By: ${KEYRING}\n`);
    progress(`package lists of ${SUITE}`);
    try {
      await run('apt-get', [...this.#options(), '-q', '-o', 'APT::Update::Error-Mode=any', 'update'], { cure: CURE });
    } catch (error) {
      if (!existsSync(stamp)) throw error;
      progress(`${error.message}; going on with the lists there are`);
    }
    await writeFile(stamp, '');
    await utimes(stamp, new Date(), new Date());
  }

  /** @returns {Promise<string>} the package a meta package stands for at present */
  async resolveMeta(meta, pattern) {
    const known = join(this.#folder, `meta-${meta}`);
    if (existsSync(known) && statSync(known).mtimeMs > statSync(join(this.#folder, 'fresh')).mtimeMs) return readFileSync(known, 'utf8');
    const name = await this.#dependencyOf(meta, pattern);
    await writeFile(known, name);
    return name;
  }

  async #dependencyOf(meta, pattern) {
    const text = await run('apt-cache', [...this.#options(), 'depends', meta], { cure: CURE });
    const found = [...text.matchAll(/^\s*\|?Depends: (\S+)/gm)].map(([, name]) => name).find((name) => pattern.test(name));
    if (!found) throw new BuildError(`package ${meta} of ${SUITE} is not known`, CURE);
    return found;
  }

  /** @returns {Promise<string>} a digest of the versions that `names` have at present */
  async versions(names) {
    const known = join(this.#folder, `versions-${createHash('sha256').update(names.join('\n')).digest('hex').slice(0, 12)}`);
    if (existsSync(known) && statSync(known).mtimeMs > statSync(join(this.#folder, 'fresh')).mtimeMs) return readFileSync(known, 'utf8');
    const digest = await this.#digestOfVersions(names);
    await writeFile(known, digest);
    return digest;
  }

  async #digestOfVersions(names) {
    const text = await run('apt-cache', [...this.#options(), 'show', '--no-all-versions', ...names], { cure: CURE });
    const lines = [...text.matchAll(/^(?:Package|Version): .*$/gm)].map(([line]) => line);
    if (lines.length < names.length) throw new BuildError(`${SUITE} lacks a package of the lab`, CURE);
    return createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 12);
  }

  /** Downloads one package and unpacks it into `into`. */
  async unpack(name, into) {
    const work = `${into}.deb`;
    await mkdir(work, { recursive: true });
    await run('apt-get', [...this.#options(), '-q', 'download', name], { cwd: work, cure: CURE });
    const [deb] = readdirSync(work);
    await run('dpkg-deb', ['--extract', join(work, deb), into], { cure: CURE });
    await rm(work, { recursive: true });
  }

  #options() {
    const at = (name) => join(this.#folder, name);
    return [
      ...['-o', `Dir::Etc::sourcelist=${at('etc/sources.list')}`, '-o', `Dir::Etc::sourceparts=${at('etc/sources.list.d')}`, '-o', `Dir::Etc::preferencesparts=${at('etc/preferences.d')}`],
      ...['-o', `Dir::State=${at('state')}`, '-o', `Dir::State::status=${at('state/status')}`, '-o', `Dir::Cache=${at('cache')}`],
      ...['-o', 'APT::Sandbox::User=root', '-o', 'Acquire::Retries=2', '-o', 'Acquire::http::Timeout=30'],
    ];
  }
}

/** Where this machine has its own packages from; the suite is beside them. */
function mirror() {
  const files = ['/etc/apt/sources.list', ...(existsSync('/etc/apt/sources.list.d') ? readdirSync('/etc/apt/sources.list.d').map((name) => `/etc/apt/sources.list.d/${name}`) : [])];
  for (const file of files.filter((name) => existsSync(name))) {
    const found = /^URIs:\s*(\S+)/m.exec(readFileSync(file, 'utf8')) ?? /^deb\s+(?:\[[^\]]*\]\s*)?(\S+)/m.exec(readFileSync(file, 'utf8'));
    if (found) return found[1];
  }
  throw new BuildError('apt has no source', 'the lab needs a Debian machine with a source of packages');
}
