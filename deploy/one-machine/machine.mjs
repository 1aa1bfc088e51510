// What the entry scripts share. Runs on Node 20 with nothing installed: imports node builtins only.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** One line, cause and cure, exit code 1. */
export function fail(cause, cure) {
  process.stderr.write(`skylite: ${cause}${cure ? ` ${cure}` : ''}\n`);
  process.exit(1);
}

/** Prints a step with its elapsed time; `work` may call `note(text)`. */
export async function step(title, work) {
  const started = Date.now();
  const tty = process.stdout.isTTY;
  if (tty) process.stdout.write(`  … ${title}`);
  const note = await work();
  const line = `${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${title}${note ? `: ${note}` : ''}`;
  process.stdout.write(tty ? `\r\x1b[K${line}\n` : `${line}\n`);
}

/** Distribution packages a host needs, and the file that shows each is there. */
export const PACKAGES = [
  ['nats-server', '/usr/sbin/nats-server'],
  ['qemu-system-x86', '/usr/bin/qemu-system-x86_64'],
  ['qemu-utils', '/usr/bin/qemu-img'],
  ['libvirt-daemon', '/usr/sbin/libvirtd'],
  ['libvirt-daemon-system', '/usr/share/doc/libvirt-daemon-system'],
  ['libvirt-daemon-driver-qemu', '/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so'],
  ['libvirt-clients', '/usr/bin/virsh'],
  ['cpio', '/usr/bin/cpio'],
  ['util-linux', '/usr/bin/nsenter'],
  ['e2fsprogs', '/usr/sbin/mke2fs'],
];

export const missingPackages = (packages = PACKAGES) => packages.filter(([, file]) => !existsSync(file) && !existsSync(file.replace('/usr/sbin/', '/usr/bin/'))).map(([name]) => name);

/**
 * Installs what is missing, without letting the packages start their services: Skylite runs its own nats-server and
 * libvirtd, with its own configuration.
 */
export function installPackages(names) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => spawnSync('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=120', ...args], { env, encoding: 'utf8' });
  const result = withoutServiceStarts(() => {
    apt('update');
    return apt('install', '-y', '--no-install-recommends', ...names);
  });
  if (result.status !== 0) fail(`apt-get could not install ${names.join(' ')}: ${lastLine(result.stderr || result.stdout)}.`, 'Mend apt (network, sources, disk), then try again.');
  // A unit that the package enabled would start at the next boot and take ports or names: Skylite starts its own.
  for (const unit of ['nats-server.service']) spawnSync('systemctl', ['disable', '--now', unit], { stdio: 'ignore' });
}

/**
 * A policy-rc.d that forbids service starts, while `work` runs and not a moment longer: left behind, it would keep every
 * later package of this machine from starting its service. A Ctrl-C meanwhile ends apt-get; ours comes after it.
 */
function withoutServiceStarts(work) {
  const policy = '/usr/sbin/policy-rc.d';
  const text = '#!/bin/sh\n# Skylite is installing packages: no service is started by them.\nexit 101\n';
  // The machine's own is kept; one of an installation that was killed is ours.
  const ours = !existsSync(policy) || readFileSync(policy, 'utf8') === text;
  if (ours) writeFileSync(policy, text, { mode: 0o755 });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const wait = () => undefined;
  for (const signal of signals) process.on(signal, wait);
  try {
    return work();
  } finally {
    if (ours) rmSync(policy, { force: true });
    for (const signal of signals) process.off(signal, wait);
  }
}

const lastLine = (text) => (text ?? '').trim().split('\n').at(-1).replace(/\.$/, '') || 'no reason given';

/**
 * `npm run up --detach` looks right, and npm keeps --detach for itself. Says so, instead of doing something else than was
 * asked for. @param words what the command knows and npm does not, such as `--detach`
 */
export function refuseSwallowedWords(command, words, args) {
  const kept = words.filter((word) => process.env[`npm_config_${word.replace(/^--(no-)?/, '').replaceAll('-', '_')}`] !== undefined && !args.includes(word));
  if (kept.length > 0) fail(`npm kept ${kept.join(' ')} for itself.`, `Write two dashes before Skylite's own words: npm run ${command} -- ${[...kept, ...args].join(' ')}`);
}

/** node_modules as the lock file says; install scripts are not run (some would download, none is needed). */
export function installModules() {
  const lock = readFileSync(join(root, 'package-lock.json'));
  const want = createHash('sha256').update(lock).digest('hex');
  const stamp = join(root, 'node_modules/.skylite-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return undefined;
  const result = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, encoding: 'utf8' });
  if (result.status !== 0) fail(`npm ci failed: ${npmReason(result.stderr)}.`, 'Mend the network or the registry setting, then try again.');
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(stamp, want);
  return 'npm ci';
}

/** npm's first words of what went wrong, without its advice. */
const npmReason = (text) => (text ?? '').split('\n').filter((line) => /^npm error (?!A complete log|Run )./.test(line)).map((line) => line.slice(10)).slice(0, 3).join(' ') || 'no reason given';

/** Node 24 from node_modules: the machine's own may be older than what Skylite runs on. */
export const node24 = () => {
  const path = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin/node');
  if (!existsSync(path)) fail('the modules are not installed.', 'Run `npm run up` (or `npm test`) first: it installs them.');
  return path;
};

export function runBuild() {
  const result = spawnSync(node24(), [join(root, 'deploy/build/build.mjs')], { cwd: root, encoding: 'utf8' });
  if (result.status !== 0) fail(`the build failed: ${/^\w*Error: .*$/m.exec(result.stderr)?.[0] ?? lastLine(result.stderr)}.`, '`npm run build` shows all of it.');
  return result.stdout.trim();
}

/** Goes on as a program of dist/ under Node 24, with our terminal and our exit code. Signals reach it by the terminal's group. */
export function continueAs(entry, args) {
  const child = spawn(node24(), ['--no-warnings', join(root, 'dist', entry), ...args], { stdio: 'inherit' });
  const ignore = () => undefined;
  process.on('SIGINT', ignore);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
}
