/**
 * Sends disks of guests that are off to another host, through the cloud's door.
 *
 * Owns: who may be sent (off, and nobody works on it), how many at a time, breaking off when somebody does begin to work on it.
 * Never changes a disk. A crash ends the sends; the other host asks again.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DISK_TRANSFER_PATH, sendDisk, type HostId, type ReceivedBy } from '#libs/contracts';
import { badRequest, conflict, notFound, unavailable, unsupported } from '#libs/errors';
import type { Bus, Subscription } from '#libs/messaging';
import type { Logger } from '#libs/observability';
import { LIMITS } from '../limits.js';
import type { HostReconciler } from '../reconcile/host.reconciler.js';
import type { Ledger } from '../reconcile/ledger.js';
import { DIGEST_BYTES } from './receive-disk.js';

export interface DiskSenderOptions {
  readonly hostId: HostId;
  readonly bus: Bus;
  readonly ledger: Pick<Ledger, 'entries'>;
  readonly logger: Logger;
  readonly reconciler: Pick<HostReconciler, 'restingDisk'>;
  /** Where an instance's disk of a generation lies; absent: this host has no real disks. */
  readonly diskPath: ((id: string, diskGeneration: number) => string) | undefined;
  readonly idleMs?: number;
  readonly markBytes?: number;
}

type Ask = ReceivedBy<typeof sendDisk>;

/** The digest up to there. A transfer that is resumed far inside a disk would else be silent for longer than a connection may be. */
interface Mark { readonly at: number; readonly hash: Hash }

export class DiskSender {
  readonly #sends = new Map<string, { transferId: string; abort: AbortController }>();
  /** By instance, for the file as it was; forgotten when anything begins to work on it. */
  readonly #marks = new Map<string, { readonly file: string; readonly marks: Mark[] }>();

  constructor(private readonly options: DiskSenderOptions) {}

  answer(): Subscription {
    const { bus, hostId } = this.options;
    const subscription = bus.handle(sendDisk, (ask) => this.send(ask), { group: 'agent', hostId });
    return { stop: async () => {
      for (const { abort } of this.#sends.values()) abort.abort(new Error('the agent stops'));
      await subscription.stop();
    } };
  }

  /** Something begins to work on the instance: what is being sent of it would be no disk any more. */
  breakOff(id: string): void {
    this.#marks.delete(id);
    this.#sends.get(id)?.abort.abort(new Error('the guest is being worked on'));
  }

  async send(ask: Ask): Promise<{ sizeBytes: number }> {
    const { diskPath, ledger, logger, reconciler } = this.options;
    const { instanceId: id, transferId, offset } = ask;
    if (!ledger.entries.has(id)) throw notFound('This host has no such instance.');
    if (!diskPath) throw unsupported('A simulated host has no disks to send.');
    const url = new URL(ask.uploadUrl);
    if (!/^https?:$/.test(url.protocol) || !url.pathname.startsWith(`${DISK_TRANSFER_PATH}${transferId}/`)) throw badRequest('The disk is to be taken to no door of this cloud.');
    const generation = reconciler.restingDisk(id);
    if (generation === null) throw conflict('The guest is not off yet, or is being worked on; its disk is sent when it is.');
    // Asked again, the one before has lost its listener.
    this.#sends.get(id)?.abort.abort(new Error('asked anew'));
    if (this.#sends.size >= LIMITS.diskSends && !this.#sends.has(id)) throw unavailable('The host that has the disk sends others; it is tried again.', { retryAfterS: 5 });
    const path = diskPath(id, generation);
    const { size, ino, mtimeNs } = await stat(path, { bigint: true });
    if (reconciler.restingDisk(id) !== generation) throw conflict('The guest is being worked on; its disk is sent when it is off again.');
    const sizeBytes = Number(size);
    if (offset > sizeBytes) throw badRequest(`The disk has ${sizeBytes} bytes; ${offset} were said to be there already.`);
    const abort = new AbortController();
    const send = { transferId, abort };
    this.#sends.set(id, send);
    const marks = this.#marksOf(id, `${ino} ${size} ${mtimeNs}`);
    const log = { instance: id, transferId, offset, sizeBytes };
    void put(url, ask.uploadKey, { path, offset, sizeBytes, signal: abort.signal, idleMs: this.options.idleMs ?? LIMITS.downloadIdleMs, marks, markBytes: this.options.markBytes ?? LIMITS.diskMarkBytes })
      .then(() => logger.info(log, 'disk sent'), (error: unknown) => logger.warn({ ...log, err: error }, 'a disk was not sent whole'))
      .finally(() => { if (this.#sends.get(id) === send) this.#sends.delete(id); });
    return { sizeBytes };
  }

  #marksOf(id: string, file: string): Mark[] {
    const known = this.#marks.get(id);
    const marks = known?.file === file ? known.marks : [];
    this.#marks.delete(id);
    this.#marks.set(id, { file, marks });
    for (const oldest of this.#marks.keys()) if (this.#marks.size > LIMITS.diskMarksOf) this.#marks.delete(oldest);
    return marks;
  }
}

interface What { readonly path: string; readonly offset: number; readonly sizeBytes: number; readonly signal: AbortSignal; readonly idleMs: number; readonly marks: Mark[]; readonly markBytes: number }

async function put(url: URL, key: string, what: What): Promise<void> {
  const { signal, idleMs, offset, sizeBytes } = what;
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
    method: 'PUT', signal, timeout: idleMs,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/octet-stream', 'content-length': sizeBytes - offset + DIGEST_BYTES },
  });
  request.once('timeout', () => request.destroy(new Error(`nothing moved for ${idleMs} ms`)));
  const answered = new Promise<number>((resolve, reject) => {
    request.once('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.once('error', reject);
  });
  answered.catch(() => undefined); // the pipeline tells it too, and first
  await pipeline(Readable.from(contentOf(what), { objectMode: false, highWaterMark: LIMITS.diskReadBytes }), request, { signal });
  const status = await answered;
  if (status >= 300) throw new Error(`the door answered ${status}`);
}

/** The file from `offset` on, then the digest of all of it: what lies before is read too, from the last mark, for the digest's sake. */
async function* contentOf({ path, offset, sizeBytes, signal, marks, markBytes }: What): AsyncGenerator<Buffer> {
  const mark = marks.filter((each) => each.at <= offset).at(-1);
  const hash = mark?.hash.copy() ?? createHash('sha512');
  let at = mark?.at ?? 0;
  if (at < sizeBytes) {
    for await (const chunk of createReadStream(path, { start: at, end: sizeBytes - 1, highWaterMark: LIMITS.diskReadBytes, signal })) {
      const bytes = chunk as Buffer;
      hash.update(bytes);
      at += bytes.length;
      if (at - (marks.at(-1)?.at ?? 0) >= markBytes) marks.push({ at, hash: hash.copy() });
      const from = Math.max(0, bytes.length - (at - offset));
      if (from < bytes.length) yield from === 0 ? bytes : bytes.subarray(from);
    }
  }
  if (at !== sizeBytes) throw new Error(`the disk became shorter while it was sent (${at} of ${sizeBytes} bytes)`);
  yield hash.digest();
}
