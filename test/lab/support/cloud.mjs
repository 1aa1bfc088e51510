/**
 * A whole cloud outside the lab, started as a person would start it, without a host of its own; and our real agent inside the lab,
 * joined to it as any machine joins. Owns a home below /var/tmp, gone after stop().
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { abandoned, scratchFolder } from '../machine/scratch.mjs';
import { Guests } from './guests.mjs';

const ROOT = resolve(import.meta.dirname, '../../..');
const AGENT_FOLDER = '/usr/lib/skylite';
const STATE_FOLDER = '/var/lib/skylite';
/** Its paths are short, and it is a disk. */
const PARENT = '/var/tmp';
const SCRATCH = 'skylite-lab-cloud';
const HOST_EVERY_MS = 30_000;
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

export class Cloud {
  #home;
  #token;
  /** Of the lab that is its host. */
  #patience = 1;
  #lab;

  static async started() {
    const cloud = new Cloud();
    const { status, stdout, stderr } = cloud.#script('up', ['--detach', '--no-local-host', '--fleet', '1', '--port', String(await freePort())], 300_000);
    if (status === 0) {
      await cloud.#logIn();
      return cloud;
    }
    cloud.stop();
    throw new Error(`no cloud for the lab: ${stdout}${stderr}`);
  }

  constructor(home = scratchFolder(PARENT, SCRATCH)) { this.#home = home; }

  /** Ends clouds of runs that were killed. */
  static sweep() { for (const home of abandoned(PARENT, SCRATCH)) new Cloud(home).stop(); }

  get #settings() { return JSON.parse(readFileSync(join(this.#home, 'settings.json'), 'utf8')); }
  get home() { return this.#home; }
  get url() { return `http://127.0.0.1:${this.#settings.port}`; }
  /** What hosts have to reach. */
  get ports() { return [this.#settings.port, this.#settings.natsPort]; }

  /** @returns {Promise<object>} the answer's body @throws when it is an error */
  async call(method, path, body) {
    const { status, value, text } = await this.ask(method, path, body);
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text.slice(0, 600)}`);
    return value;
  }

  /** As call, for answers that are to be errors. */
  async ask(method, path, body, options = {}) {
    const answer = await this.#askOnce(method, path, body, options);
    if (answer.status !== 401) return answer;
    // A case may outlast its token.
    await this.#logIn();
    return this.#askOnce(method, path, body, options);
  }

  async #askOnce(method, path, body, { type = 'application/json' }) {
    const answer = await fetch(this.url + path, {
      method, headers: { 'x-auth-token': this.#token, 'openstack-api-version': 'compute 2.96', ...(body !== undefined && { 'content-type': type }) },
      ...(body !== undefined && { body: type === 'application/json' ? JSON.stringify(body) : body }), signal: AbortSignal.timeout(60_000),
    });
    const text = await answer.text();
    let value = {};
    try { value = JSON.parse(text); } catch { /* not every answer has a body */ }
    return { status: answer.status, value, text };
  }

  /** The operator's command. @returns what it printed @throws with its own words */
  skylite(...words) {
    const { status, stdout, stderr } = this.#script('skylite', words, 60_000);
    if (status !== 0) throw new Error(`skylite ${words.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Makes an image of a file. @returns its id */
  async addImage(name, file, format = 'qcow2') {
    const { id } = await this.call('POST', '/image/v2/images', { name, disk_format: format, container_format: 'bare', visibility: 'public' });
    const { status, text } = await this.ask('PUT', `/image/v2/images/${id}/file`, readFileSync(file), { type: 'application/octet-stream' });
    if (status !== 204) throw new Error(`image ${name}: ${status} ${text}`);
    return id;
  }

  /** Makes the lab a host of this cloud: agent and token put in, joined, started. @returns its host, as the cloud lists it */
  async adopt(lab, { name = 'lab', environment = {} } = {}) {
    this.#patience = lab.patience;
    this.#lab = lab;
    const settings = { SKYLITE_STATE_DIR: STATE_FOLDER, SKYLITE_VIRT_TYPE: 'kvm', SKYLITE_RESERVED_MEMORY_MIB: '600', SKYLITE_LOG_LEVEL: 'info', NODE_ENV: 'production', ...environment };
    this.agentCommand = `env ${Object.entries(settings).map(([key, value]) => `${key}='${value}'`).join(' ')} ${AGENT_FOLDER}/node --no-warnings --max-semi-space-size=2 ${AGENT_FOLDER}/skylite-agent.mjs`;
    await withBundledAgent((file) => lab.put(file, `${AGENT_FOLDER}/skylite-agent.mjs`, '0644'));
    const token = this.skylite('host', 'enroll', '--zone', 'lab').trim().split('\n')[0];
    await lab.run(`install -d -m 0711 ${STATE_FOLDER}\n${this.agentCommand} join ${this.url} ${token} --name ${name}`, { seconds: 120 });
    await this.startAgent(lab);
    return this.until(`${name} is up`, 120_000, async () => (await this.call('GET', '/v1/hosts')).hosts.find((host) => host.name === name && host.alive));
  }

  /** Image, flavors and handling of nested guests. */
  guestKit(lab) { return Guests.of(this, lab); }

  startAgent(lab) { return lab.run(`setsid ${this.agentCommand} run >>/var/log/skylite-agent.log 2>&1 </dev/null & echo $! >/run/skylite-agent.pid`); }
  /** As kill -9 does; the guests stay. */
  killAgent(lab) { return lab.run('kill -KILL "$(cat /run/skylite-agent.pid)"; while kill -0 "$(cat /run/skylite-agent.pid)" 2>/dev/null; do sleep 0.1; done'); }
  agentLog(lab) { return lab.run('tail -n 60 /var/log/skylite-agent.log'); }

  /** Polls until `test` gives something true, for `ms` at most on a quiet machine. @returns that */
  async until(what, ms, test, everyMs = 300) {
    let last;
    const patience = ms * this.#patience;
    let asked = Date.now();
    for (const end = Date.now() + patience; ;) {
      // What waits for the cloud's word alone would not notice that the host is gone.
      if (this.#lab && Date.now() - asked > HOST_EVERY_MS) { await this.#lab.lives(); asked = Date.now(); }
      try { const value = await test(); if (value) return value; } catch (error) { if (error.final) throw error; last = error; }
      if (Date.now() > end) throw new Error(`${what}: not within ${(patience / 1000).toFixed(0)} s${last ? ` (${last.message})` : ''}`);
      await pause(everyMs);
    }
  }

  stop() {
    if (existsSync(this.#home)) this.#script('down', ['--purge', '--yes'], 120_000);
    rmSync(this.#home, { recursive: true, force: true });
  }

  async #logIn() {
    const env = Object.fromEntries([...readFileSync(join(this.#home, 'openrc'), 'utf8').matchAll(/^export (\w+)='?([^'\n]*)'?$/gm)].map(([, key, value]) => [key, value]));
    const domain = { id: 'default' };
    const answer = await fetch(`${env.OS_AUTH_URL}/auth/tokens`, {
      method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ auth: { identity: { methods: ['password'], password: { user: { name: env.OS_USERNAME, domain, password: env.OS_PASSWORD } } }, scope: { project: { name: env.OS_PROJECT_NAME, domain } } } }),
    });
    if (!answer.ok) throw new Error(`the lab's cloud gives no token: ${answer.status}`);
    this.#token = answer.headers.get('x-subject-token');
  }

  #script(name, words, timeout) {
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('OS_') && !key.startsWith('npm_')));
    return spawnSync(process.execPath, [join(ROOT, `deploy/one-machine/${name}.mjs`), ...words], { cwd: ROOT, env: { ...env, SKYLITE_HOME: this.#home }, encoding: 'utf8', timeout });
  }
}

/** The agent as hosts get it: one file. */
async function withBundledAgent(work) {
  const { bundleAgent } = await import('../../../deploy/build/bundle-agent.mjs');
  const folder = mkdtempSync(join(tmpdir(), 'skylite-lab-agent-'));
  try {
    return await work(await bundleAgent(join(folder, 'skylite-agent.mjs')));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  const { port } = server.address();
  await new Promise((done) => { server.close(done); });
  return port;
}
