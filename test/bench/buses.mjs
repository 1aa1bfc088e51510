// A real nats-server for benches, on loopback, and connections to it with the rights of services.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const freePort = () => new Promise((done, fail) => {
  const server = createServer();
  server.once('error', fail);
  server.listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => done(port)); });
});

const answers = (port) => new Promise((done) => {
  const socket = connect(port, '127.0.0.1', () => { socket.destroy(); done(true); });
  socket.once('error', () => done(false));
});

/** @param messaging the built libs/messaging. @returns `open(name, services)` gives a connected bus; `stop()` ends all */
export async function startBuses(messaging) {
  const { createNatsAuthority, createUserNkey, credsFile, NatsBus, natsServerConfig, serviceInbox, signServiceUser } = messaging;
  const dir = mkdtempSync(join(tmpdir(), 'skylite-bench-nats-'));
  const port = await freePort();
  const authority = await createNatsAuthority('bench');
  writeFileSync(join(dir, 'nats.conf'), natsServerConfig({ listen: `127.0.0.1:${port}`, authority, serverName: 'bench', pidFile: join(dir, 'pid') }), { mode: 0o600 });
  const child = spawn('nats-server', ['-c', join(dir, 'nats.conf')], { stdio: 'ignore' });
  const ended = new Promise((done) => { child.once('exit', done); });
  for (let tries = 0; tries < 200 && !(await answers(port)); tries += 1) await new Promise((done) => { setTimeout(done, 20); });
  const buses = [];
  return {
    open: async (name, services) => {
      const key = createUserNkey();
      const bus = new NatsBus({ servers: [`nats://127.0.0.1:${port}`], creds: credsFile(await signServiceUser(authority, key.publicNkey, name, services), key.seed), name, inboxPrefix: serviceInbox(name), cellId: 'cell1', incarnation: () => 1 });
      await bus.ready(10_000);
      buses.push(bus);
      return bus;
    },
    stop: async () => {
      for (const bus of buses) await bus.close();
      child.kill('SIGTERM');
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
