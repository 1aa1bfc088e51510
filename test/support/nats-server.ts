import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNatsAuthority, natsServerConfig, type NatsAuthority } from '#libs/messaging';

export interface TestNats {
  url: string;
  authority: NatsAuthority;
  /** SIGKILL, as a crash would. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A real nats-server of the distribution under our own configuration, on a free loopback port. */
export async function startTestNats(): Promise<TestNats> {
  const dir = await mkdtemp(join(tmpdir(), 'skylite-nats-'));
  const port = await freePort();
  const authority = await createNatsAuthority('test');
  const config = join(dir, 'nats.conf');
  await writeFile(config, natsServerConfig({ listen: `127.0.0.1:${port}`, authority, serverName: 'test', pidFile: join(dir, 'pid') }), { mode: 0o600 });
  let child: ChildProcess | undefined;
  const end = (): void => { child?.kill('SIGKILL'); };
  process.once('exit', end);
  const start = async (): Promise<void> => {
    child = spawn('nats-server', ['-c', config], { stdio: 'ignore' });
    for (let attempt = 0; attempt < 3_000; attempt += 1) {
      if (await answers(port)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('nats-server did not start');
  };
  const kill = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (!running) return;
    const exited = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await exited;
  };
  await start();
  return {
    url: `nats://127.0.0.1:${port}`, authority, start, kill,
    stop: async () => { process.off('exit', end); await kill(); await rm(dir, { recursive: true, force: true }); },
  };
}

export const freePort = (): Promise<number> => new Promise((resolve, reject) => {
  const server = createServer();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
  });
});

const answers = (port: number): Promise<boolean> => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
  socket.once('error', () => resolve(false));
});
