import { Worker } from 'node:worker_threads';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { internalError } from '#libs/errors';
import { LIMITS } from '../limits.js';

/** Source and build differ in the extension only; Node runs both. */
const SCRIPT = new URL(`./hash.worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);

interface Waiting { resolve: (digest: string) => void; reject: (error: unknown) => void }

/** One thread that computes one hash function; answers come in the order of the questions of each upload. */
class HashThread {
  readonly #waiting = new Map<number, Waiting[]>();
  readonly #worker: Worker;
  #dead: unknown;

  constructor(algorithm: string) {
    this.#worker = new Worker(SCRIPT, { workerData: { algorithm }, name: `hash ${algorithm}`, resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 } });
    this.#worker.unref();
    this.#worker.on('message', ({ upload, digest }: { upload: number; digest?: string }) => this.#waiting.get(upload)?.shift()?.resolve(digest ?? ''));
    this.#worker.on('error', (error) => this.#die(error));
    this.#worker.on('exit', (code) => this.#die(new Error(`hash thread ended with ${code}`)));
  }

  get dead(): boolean { return this.#dead !== undefined; }

  ask(upload: number, message: object): Promise<string> {
    if (this.#dead !== undefined) return Promise.reject(internalError('hash thread died', { cause: this.#dead }));
    return new Promise((resolve, reject) => {
      const queue = this.#waiting.get(upload);
      if (queue === undefined) this.#waiting.set(upload, [{ resolve, reject }]);
      else queue.push({ resolve, reject });
      this.#worker.postMessage({ upload, ...message });
    });
  }

  forget(upload: number): void {
    this.#waiting.delete(upload);
    if (this.#dead === undefined) this.#worker.postMessage({ upload, digest: false });
  }

  end(): void { void this.#worker.terminate(); }

  #die(error: unknown): void {
    this.#dead ??= error;
    for (const queue of this.#waiting.values()) for (const { reject } of queue) reject(internalError('hash thread died', { cause: error }));
    this.#waiting.clear();
  }
}

/** The two hashes of one upload. Parts must be given in order; a part's memory is free again when update() resolves. */
export class UploadHash {
  constructor(private readonly upload: number, private readonly md5: HashThread, private readonly sha512: HashThread, private readonly ended: () => void) {}

  async update(slab: SharedArrayBuffer, offset: number, length: number): Promise<void> {
    await Promise.all([this.md5.ask(this.upload, { slab, offset, length }), this.sha512.ask(this.upload, { slab, offset, length })]);
  }

  async digest(): Promise<{ md5: string; sha512: string }> {
    const [md5, sha512] = await Promise.all([this.md5.ask(this.upload, { digest: true }), this.sha512.ask(this.upload, { digest: true })]);
    return { md5, sha512 };
  }

  /** Call once, whatever happened. */
  end(): void {
    this.md5.forget(this.upload);
    this.sha512.forget(this.upload);
    this.ended();
  }
}

/**
 * MD5 (which clients check) and SHA-512 (which hosts check) in a thread each: together on the event loop they would
 * take it for 2.5 s per GiB. Threads start with the first upload and end when idle.
 */
@Injectable()
export class Hashing implements OnApplicationShutdown {
  #threads: { md5: HashThread; sha512: HashThread } | undefined;
  #next = 0;
  #running = 0;
  #idle: NodeJS.Timeout | undefined;

  begin(): UploadHash {
    clearTimeout(this.#idle);
    if (this.#threads === undefined || this.#threads.md5.dead || this.#threads.sha512.dead) {
      this.close();
      this.#threads = { md5: new HashThread('md5'), sha512: new HashThread('sha512') };
    }
    this.#running += 1;
    this.#next += 1;
    return new UploadHash(this.#next, this.#threads.md5, this.#threads.sha512, () => this.#ended());
  }

  #ended(): void {
    this.#running -= 1;
    if (this.#running === 0) this.#idle = setTimeout(() => { if (this.#running === 0) this.close(); }, LIMITS.hashIdleMs).unref();
  }

  onApplicationShutdown(): void { this.close(); }

  close(): void {
    clearTimeout(this.#idle);
    this.#threads?.md5.end();
    this.#threads?.sha512.end();
    this.#threads = undefined;
  }
}
