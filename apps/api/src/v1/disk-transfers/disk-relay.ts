/**
 * Carries a server's disk from the host that has it to the host that needs it: one dials with GET, the other, asked for it, with
 * PUT, and the bytes pass through, at the pace of the slower.
 *
 * Owns: who may be joined with whom (a key each, the sender's good once), how many at a time. Keeps no byte. A crash breaks the
 * transfers off; the receiving hosts come again and go on from where they were.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { DISK_BYTES_HEADER, DISK_TRANSFER_PATH, openDiskTransfer, sendDisk } from '#libs/contracts';
import { forbidden, unavailable, unsupported } from '#libs/errors';
import { HttpError } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { API_CONFIG, type ApiConfig } from '../../api.config.js';
import { LIMITS } from '../../limits.js';

/** The digest that follows the last byte of a disk. */
const DIGEST_BYTES = 64;

interface Waiting { readonly keyDigest: Buffer; join(sender: IncomingMessage): Promise<void> }
interface Relay { end(why: string): void }

@Injectable()
export class DiskRelay {
  readonly #waiting = new Map<string, Waiting>();
  readonly #relays = new Map<string, Relay>();

  constructor(@Inject(BUS) private readonly bus: Bus, @Inject(LOGGER) private readonly logger: Logger, @Inject(API_CONFIG) private readonly config: ApiConfig) {}

  /** Answers the host that needs the disk, from `offset` on. Refusals are answered before the first byte; later it is cut off. */
  async receive(transferId: string, ask: { key: string; offset: number; requestId: string }, reply: FastifyReply): Promise<void> {
    const dialUrl = this.config.consoles?.dialUrl;
    if (dialUrl === undefined) throw unsupported('This door does not know its own address, so no host can be sent to it.');
    const { requestId, offset } = ask;
    const { sourceHostId, instanceId } = await this.bus.ask(openDiskTransfer, { transferId, key: ask.key }, { requestId });
    // Who holds the key has come again: the connection before is dead, or will be.
    this.#relays.get(transferId)?.end('asked for anew');
    if (this.#relays.size >= LIMITS.diskRelays) throw unavailable('As many disks as this door carries at a time are under way.', { retryAfterS: LIMITS.diskRelayRetryS });
    const abort = new AbortController();
    const relay: Relay = { end: (why) => abort.abort(new Error(why)) };
    this.#relays.set(transferId, relay);
    const log = { requestId, transferId, instanceId, sourceHostId, offset };
    try {
      const uploadKey = randomBytes(32).toString('base64url');
      const sender = this.#awaitSender(transferId, uploadKey, abort.signal);
      const uploadUrl = `${dialUrl.replace(/\/+$/, '')}${DISK_TRANSFER_PATH}${transferId}/content`;
      const { sizeBytes } = await this.bus.ask(sendDisk, { instanceId, transferId, offset, uploadUrl, uploadKey }, { requestId, hostId: sourceHostId });
      if (offset > sizeBytes) throw new HttpError(416, `The disk has ${sizeBytes} bytes.`);
      const { body, done } = await sender;
      const length = sizeBytes - offset + DIGEST_BYTES;
      reply.code(offset > 0 ? 206 : 200).headers({ 'content-type': 'application/octet-stream', 'content-length': String(length), [DISK_BYTES_HEADER]: String(sizeBytes) });
      reply.hijack();
      reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders);
      const why = await carry(body, reply.raw, length, abort.signal);
      done(why);
      if (why === null) this.logger.info({ ...log, sizeBytes }, 'disk carried');
      else this.logger.warn({ ...log, sizeBytes, err: why }, 'a disk was not carried whole; its host comes again');
    } finally {
      abort.abort(new Error('over'));
      if (this.#relays.get(transferId) === relay) this.#relays.delete(transferId);
    }
  }

  /** Takes the bytes of the host that has the disk; resolves when all are through. @throws SkyError forbidden to whom nobody waits for */
  async send(transferId: string, key: string, body: IncomingMessage): Promise<void> {
    const waiting = this.#waiting.get(transferId);
    if (!waiting || !timingSafeEqual(waiting.keyDigest, digest(key))) throw forbidden('Nobody waits for this.');
    this.#waiting.delete(transferId);
    await waiting.join(body);
  }

  #awaitSender(transferId: string, key: string, signal: AbortSignal): Promise<{ body: IncomingMessage; done(why: Error | null): void }> {
    const come = new Promise<{ body: IncomingMessage; done(why: Error | null): void }>((resolve, reject) => {
      const waiting: Waiting = {
        keyDigest: digest(key),
        join: (body) => new Promise((joined, failed) => {
          // Also when it comes to no transfer after all: nobody is kept waiting with a body that is not read.
          signal.addEventListener('abort', () => failed(unavailable('The host that needs the disk went away.')), { once: true });
          resolve({ body, done: (why) => (why === null ? joined() : failed(unavailable('The host that needs the disk went away.', { cause: why }))) });
        }),
      };
      const give = (error: Error): void => {
        if (this.#waiting.get(transferId) === waiting) this.#waiting.delete(transferId);
        reject(error);
      };
      const timer = setTimeout(() => give(unavailable('The host that has the disk did not begin to send it in time.', { retryAfterS: LIMITS.diskRelayRetryS })), LIMITS.diskDialMs);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        give(unavailable(`The transfer was broken off: ${(signal.reason as Error).message}.`));
      }, { once: true });
      this.#waiting.set(transferId, waiting);
    });
    come.catch(() => undefined); // the question to the host may fail first
    return come;
  }
}

/** @returns why not every byte passed; null: all did */
async function carry(from: IncomingMessage, to: ServerResponse, length: number, signal: AbortSignal): Promise<Error | null> {
  const idle = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const moved = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => idle.abort(new Error(`nothing moved for ${LIMITS.diskIdleMs} ms`)), LIMITS.diskIdleMs);
  };
  moved();
  let left = length;
  const count = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      moved();
      left -= chunk.length;
      done(left < 0 ? new Error('more came than was announced') : null, chunk);
    },
    flush: (done) => done(left > 0 ? new Error(`${left} bytes did not come`) : null),
  });
  try {
    await pipeline(from, count, to, { signal: AbortSignal.any([signal, idle.signal]) });
    return null;
  } catch (error) {
    to.destroy();
    return error as Error;
  } finally {
    clearTimeout(timer);
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
