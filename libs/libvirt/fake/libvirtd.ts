// A fake libvirtd: the in-memory hypervisor behind a unix socket, speaking libvirt's bytes. Real clients (virsh too) can
// talk to it. Light enough for a hundred in one process.
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { FakeClient } from './client.js';
import type { FakeHypervisor } from './hypervisor.js';

export interface FakeLibvirtdOptions {
  /** At most 107 bytes. A socket file left there by a dead process is replaced. */
  readonly socketPath: string;
  /** Requests of one connection worked on at once; more wait unread. libvirtd's default: 5. */
  readonly maxClientRequests?: number;
  /** Ping clients that announced keepalive this often; 0: never. */
  readonly keepaliveMs?: number;
}

export class FakeLibvirtd {
  readonly #clients = new Set<FakeClient>();
  #server: Server | undefined;
  #pongs = 0;

  constructor(
    readonly hypervisor: FakeHypervisor,
    private readonly options: FakeLibvirtdOptions,
  ) {}

  get socketPath(): string {
    return this.options.socketPath;
  }

  /** Connections open now. */
  get connections(): number {
    return this.#clients.size;
  }

  /** Keepalives that clients answered. */
  get pongs(): number {
    return this.#pongs;
  }

  async start(): Promise<void> {
    rmSync(this.options.socketPath, { force: true });
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.options.socketPath, () => {
        server.off('error', reject);
        resolve();
      });
    });
  }

  /** Stops listening and drops everyone, as a killed daemon does. Domains live on; start() brings it back. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.dropConnections();
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  dropConnections(): void {
    for (const client of [...this.#clients]) client.close();
  }

  /** Stops reading and answering on all connections, keepalives included, as a stopped process does; false goes on. */
  freeze(frozen = true): void {
    for (const client of this.#clients) client.freeze(frozen);
  }

  #accept(socket: Socket): void {
    const client = new FakeClient(socket, this.hypervisor, {
      maxRequests: this.options.maxClientRequests ?? 5,
      keepaliveMs: this.options.keepaliveMs ?? 0,
      onPong: () => void this.#pongs++,
      onClose: () => this.#clients.delete(client),
    });
    this.#clients.add(client);
  }
}
