// A whole cloud for a measurement: own home, own port, gone afterwards.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');
export const now = () => performance.now();
export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
export const progress = (text) => process.stderr.write(`bench: ${text}\n`);
const freePort = () => new Promise((done) => { const server = createServer().listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => done(port)); }); });

export class Cloud {
  constructor(home, port, environment = {}) { this.home = home; this.port = port; this.environment = environment; this.base = `http://127.0.0.1:${port}`; }

  /** @param {Record<string, string>} [environment] settings of its programs, beside this machine's own */
  static async make(environment) { return new Cloud(mkdtempSync('/var/tmp/skylite-bench-'), await freePort(), environment); }

  /** Milliseconds that `up` took to ready. */
  up(...words) {
    const started = now();
    this.#script('up', ['--detach', '--port', String(this.port), ...words]);
    return now() - started;
  }

  down() { this.#script('down', []); }
  purge() { this.#script('down', ['--purge', '--yes']); }

  /** For `finally`: what went wrong before is what counts, so a purge that fails is only told, and tried once more. */
  end() {
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      try {
        return this.purge();
      } catch (error) {
        progress(`${this.home} could not be removed: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  #script(name, words) {
    const { status, signal, error, stdout, stderr } = spawnSync(process.execPath, [join(root, `deploy/one-machine/${name}.mjs`), ...words], { cwd: root, env: { ...process.env, ...this.environment, SKYLITE_HOME: this.home }, encoding: 'utf8', timeout: 600_000 });
    // No status: it was not started, was ended by a signal, or took too long; `error` and `signal` say which.
    if (status !== 0) throw new Error(`${name} failed (${error?.message ?? signal ?? `exit ${status}`}): ${stderr ?? ''}${stdout ?? ''}`);
  }

  settings() { return JSON.parse(readFileSync(join(this.home, 'settings.json'), 'utf8')); }
  secrets() { return JSON.parse(readFileSync(join(this.home, 'secrets/launcher.json'), 'utf8')); }

  async login() {
    const response = await fetch(`${this.base}/identity/v3/auth/tokens`, {
      method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ auth: { identity: { methods: ['password'], password: { user: { name: 'admin', domain: { id: 'default' }, password: this.secrets().adminPassword } } }, scope: { project: { name: 'admin', domain: { id: 'default' } } } } }),
    });
    this.token = response.headers.get('x-subject-token');
  }

  async call(method, path, body) {
    const response = await fetch(this.base + path, { method, headers: { 'x-auth-token': this.token, 'content-type': 'application/json', 'openstack-api-version': 'compute 2.37' }, ...(body && { body: JSON.stringify(body) }) });
    const text = await response.text();
    if (!response.ok && response.status !== 404) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return response.status === 404 ? undefined : text ? JSON.parse(text) : {};
  }

  /** Processes by child's name: the child and everything below it. */
  processes() {
    const parents = new Map(readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
      try { const stat = readFileSync(`/proc/${name}/stat`, 'utf8'); return [[Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])]]; } catch { return []; }
    }));
    const below = (pid) => [pid, ...[...parents].filter(([, parent]) => parent === pid).flatMap(([child]) => below(child))];
    const found = { supervisor: below(JSON.parse(readFileSync(join(this.home, 'run/supervisor.json'), 'utf8')).pid).slice(0, 1) };
    for (const name of readdirSync(join(this.home, 'run/state'))) {
      const state = JSON.parse(readFileSync(join(this.home, 'run/state', name), 'utf8'));
      if (state.process) found[state.name] = below(state.process.pid);
    }
    return found;
  }
}

/** Proportional set size in MiB. */
export const pssMib = (pid) => {
  try { return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024; } catch { return 0; }
};

/** User and system seconds, with those of reaped children. */
export const cpuSeconds = (pid) => {
  try { const stat = readFileSync(`/proc/${pid}/stat`, 'utf8'); return stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100; } catch { return 0; }
};

export const round = (value, digits = 1) => Number(value.toFixed(digits));
export const summary = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { n: sorted.length, p50: round(at(0.5)), p99: round(at(0.99)), max: round(sorted.at(-1)) };
};
