import type { Readable } from 'node:stream';
import { badRequest, tooLarge } from '#libs/errors';
import { HttpError } from '#libs/http';
import { LIMITS } from '../limits.js';
import type { FileStore, IncomingFile } from './file-store.js';
import type { UploadHash } from './hashing.js';

export interface Reception {
  file: IncomingFile;
  hash: UploadHash;
  store: Pick<FileStore, 'room'>;
  maxBytes: number;
  slowWindowMs: number;
  /** The stream's chunks are used by nobody else (a request's body): their memory is given up at once. */
  ownsChunks: boolean;
  /** Called once with the first bytes (all, when there are few); throws to refuse the rest. */
  onHead: (head: Uint8Array) => void;
  /** Asked before bytes are written up to there; answers up to where they may be, or throws to refuse the rest. Left out: all are welcome. */
  admit?: (upToBytes: number) => Promise<number>;
  /** Ends the reception with its reason. */
  signal: AbortSignal;
}

/** A part of the upload in shared memory: written to the disk and hashed at the same time, then used again. */
class Slab {
  readonly memory = new SharedArrayBuffer(LIMITS.slabBytes);
  readonly bytes = Buffer.from(this.memory);
  filled = 0;
}

/**
 * Gives up a chunk's memory now. Left to the garbage collector, the 64 KiB chunks of a large upload make it run every few
 * dozen of them, over everything the process holds: as much work as the hashing.
 */
function release(chunk: Buffer): void {
  const { buffer } = chunk;
  if (buffer instanceof ArrayBuffer && chunk.byteOffset + chunk.length === buffer.byteLength && buffer.byteLength >= RELEASED_BYTES) buffer.transfer(0);
}

/** Smaller ones may be parts of a pool that others use. */
const RELEASED_BYTES = 16 * 1024;

/**
 * Reads `stream` into the file and the hashes. Memory is bounded by the slabs: when all are busy, the client waits. On
 * failure the stream is left paused, not destroyed, so that its client can still be answered; nothing is written any more when this rejects.
 */
export async function receive(stream: Readable, reception: Reception): Promise<{ sizeBytes: number }> {
  const receiver = new Receiver(stream, reception);
  try {
    return await receiver.run();
  } finally {
    await receiver.settle();
  }
}

class Receiver {
  readonly #free = Array.from({ length: LIMITS.slabs }, () => new Slab());
  readonly #busy = new Set<Promise<void>>();
  #slab: Slab | undefined;
  #rest: Buffer | undefined;
  #received = 0;
  #written = 0;
  #nextSpaceCheck = LIMITS.spaceCheckBytes;
  #admittedBytes = 0;
  #admitting: Promise<void> = Promise.resolve();
  #headSeen = false;
  #ended = false;
  #over = false;
  #resolve!: (result: { sizeBytes: number }) => void;
  #reject!: (error: unknown) => void;

  constructor(private readonly stream: Readable, private readonly r: Reception) {}

  run(): Promise<{ sizeBytes: number }> {
    return new Promise((resolve, reject) => {
      const { stream, r } = this;
      const onData = (chunk: Buffer): void => this.#guard(() => {
        this.#take(chunk);
        if (r.ownsChunks && this.#rest === undefined) release(chunk);
      });
      const onEnd = (): void => this.#guard(() => { this.#ended = true; this.#finishIfDone(); });
      const onError = (error: Error): void => this.#fail(badRequest('The upload was broken off.', { cause: error }));
      const onClose = (): void => { if (!this.#ended) this.#fail(badRequest('The upload was broken off.')); };
      const onAbort = (): void => this.#fail(r.signal.reason);
      const stopWatch = this.#watchSpeed();
      const cleanUp = (): void => {
        this.#over = true;
        stopWatch();
        r.signal.removeEventListener('abort', onAbort);
        stream.off('data', onData).off('end', onEnd).off('close', onClose).pause();
        // Its late errors have nobody else to listen; without a listener they would end the process.
        stream.off('error', onError).on('error', () => undefined);
      };
      this.#resolve = (result) => { if (!this.#over) { cleanUp(); resolve(result); } };
      this.#reject = (error) => { if (!this.#over) { cleanUp(); reject(error as Error); } };
      stream.on('error', onError).on('close', onClose).on('end', onEnd).on('data', onData);
      r.signal.addEventListener('abort', onAbort);
      if (r.signal.aborted) onAbort();
      else if (stream.destroyed && !stream.readableEnded) onClose();
    });
  }

  /** Resolves when no write and no hash is under way. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#busy);
  }

  #fail(error: unknown): void { this.#reject(error); }

  #guard(work: () => void): void {
    if (this.#over) return;
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Fills slabs with the chunk; what finds no free one waits, and the stream with it. */
  #take(chunk: Buffer): void {
    this.#received += chunk.length;
    this.#rest = undefined;
    if (this.#received > this.r.maxBytes) throw tooLarge(`The image is larger than the ${this.r.maxBytes} bytes that are allowed.`);
    let from = 0;
    while (from < chunk.length) {
      this.#slab ??= this.#free.pop();
      const slab = this.#slab;
      if (slab === undefined) {
        this.#rest = chunk.subarray(from);
        this.stream.pause();
        return;
      }
      const copied = chunk.copy(slab.bytes, slab.filled, from);
      slab.filled += copied;
      from += copied;
      if (!this.#headSeen && slab.filled >= LIMITS.headBytes) this.#showHead(slab);
      if (slab.filled === LIMITS.slabBytes) this.#dispatch(slab);
    }
  }

  #showHead(slab: Slab): void {
    this.#headSeen = true;
    this.r.onHead(Uint8Array.from(slab.bytes.subarray(0, Math.min(slab.filled, LIMITS.headBytes))));
  }

  #dispatch(slab: Slab): void {
    this.#slab = undefined;
    const position = this.#written;
    const length = slab.filled;
    this.#written += length;
    const work = Promise.all([this.#write(slab, length, position), this.r.hash.update(slab.memory, 0, length)]).then(
      () => this.#guard(() => this.#release(slab)),
      (error: unknown) => this.#fail(error),
    ).finally(() => this.#busy.delete(work));
    this.#busy.add(work);
  }

  async #write(slab: Slab, length: number, position: number): Promise<void> {
    if (position + length > this.#admittedBytes) await this.#admit(position + length);
    if (position + length >= this.#nextSpaceCheck) {
      this.#nextSpaceCheck += LIMITS.spaceCheckBytes;
      if (await this.r.store.room() < length) throw Object.assign(new Error('the reserve of free space is reached'), { code: 'ENOSPC' });
    }
    await this.r.file.write(slab.bytes.subarray(0, length), position);
  }

  /** One question at a time: the next one may not be needed any more. */
  #admit(bytes: number): Promise<void> {
    const { admit } = this.r;
    if (admit === undefined) return Promise.resolve();
    this.#admitting = this.#admitting.then(async () => {
      if (bytes > this.#admittedBytes) this.#admittedBytes = await admit(bytes);
    });
    return this.#admitting;
  }

  #release(slab: Slab): void {
    slab.filled = 0;
    this.#free.push(slab);
    const rest = this.#rest;
    if (rest !== undefined) {
      this.#takeRest(rest);
      if (this.#rest === undefined) {
        if (this.r.ownsChunks) release(rest);
        this.stream.resume();
      }
    }
    this.#finishIfDone();
  }

  /** Counted already, when it arrived. */
  #takeRest(rest: Buffer): void {
    this.#received -= rest.length;
    this.#take(rest);
  }

  #finishIfDone(): void {
    if (!this.#ended || this.#rest !== undefined) return;
    if (this.#slab !== undefined && this.#slab.filled > 0) {
      if (!this.#headSeen) this.#showHead(this.#slab);
      this.#dispatch(this.#slab);
      return;
    }
    if (this.#free.length + (this.#slab === undefined ? 0 : 1) === LIMITS.slabs) this.#resolve({ sizeBytes: this.#written });
  }

  #watchSpeed(): () => void {
    let before = 0;
    const timer = setInterval(() => {
      const arrived = this.#received - before;
      before = this.#received;
      // While our own disk is what is slow, the client is not to blame.
      if (arrived < LIMITS.slowBytes && this.#rest === undefined && !this.#ended) this.#fail(new HttpError(408, `The upload is too slow: ${arrived} bytes in ${this.r.slowWindowMs} ms.`));
    }, this.r.slowWindowMs).unref();
    return () => clearInterval(timer);
  }
}
