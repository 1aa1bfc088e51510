import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { Watched } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { badRequest, conflict, SkyError, tooLarge, type ErrorKind } from '#libs/errors';
import { HttpError } from '#libs/http';
import { LOGGER, type Logger } from '#libs/observability';
import { IMAGE_CONFIG, timingsOf, type ImageConfig } from '../config.js';
import { judgeContent, virtualSize, type Judged } from '../formats/decide/detect.js';
import { FindImage, mustChange } from '../images/find-image.js';
import type { ContainerFormat, DiskFormat, Image } from '../images/image.js';
import { LIMITS } from '../limits.js';
import { FileStore, storageError, type IncomingFile } from '../store/file-store.js';
import { Hashing } from '../store/hashing.js';
import { receive } from '../store/receive.js';
import { CountedUploads } from './counted-uploads.js';
import { RunningUploads } from './running-uploads.js';

/**
 * Receives the bytes of an image: hashed and written while they arrive, looked at before they are kept, durable before
 * the image is active. Whatever fails, the image is queued again and the bytes are gone; a crash leaves that to the sweep.
 */
@Injectable()
export class UploadImage {
  constructor(
    private readonly findImage: FindImage, private readonly uploads: CountedUploads, private readonly running: RunningUploads,
    private readonly store: FileStore, private readonly hashing: Hashing,
    @Inject(IMAGE_CONFIG) private readonly config: ImageConfig, @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** @param expectedBytes the announced length; undefined: chunked. @param login whose end is the upload's. */
  async run(caller: Caller, imageId: string, body: Readable, expectedBytes: number | undefined, login: Login): Promise<void> {
    const image = await this.findImage.run(caller, imageId);
    mustChange(image, caller);
    const formats = readyForBytes(image);
    await this.refuseTooLarge(expectedBytes);
    const uploadId = randomUUID();
    const signal = AbortSignal.any([this.running.enter(uploadId), login.signal]);
    try {
      if (!await this.uploads.begin(image, uploadId, expectedBytes)) throw conflict(`Image ${image.id} has another upload under way, or has its data already.`);
      this.running.begun(uploadId);
      try {
        await this.receiveAndKeep(caller, image, uploadId, formats, body, { ...login, signal }, expectedBytes);
      } catch (error) {
        await this.giveBack(image.id, uploadId);
        throw storageError(error);
      }
    } finally {
      this.running.leave(uploadId);
    }
  }

  private async receiveAndKeep(caller: Caller, image: Image, uploadId: string, formats: Formats, body: Readable, login: Login, expectedBytes: number | undefined): Promise<void> {
    const file = await this.store.begin(image.id, uploadId);
    const hash = this.hashing.begin();
    let kept = false;
    try {
      let judged: Judged | undefined;
      const { sizeBytes } = await receive(body, {
        file, hash, store: this.store, signal: login.signal, ownsChunks: true, maxBytes: this.config.maxImageBytes, slowWindowMs: timingsOf(this.config).slowWindowMs,
        onHead: (head) => { judged = judge(formats, head); },
        // What was announced was reserved at the beginning, and no more than that comes.
        ...(expectedBytes === undefined && { admit: (bytes: number) => this.patiently(() => this.uploads.admit(image, uploadId, bytes)) }),
      });
      if (judged === undefined || sizeBytes === 0) throw badRequest('The upload is empty.');
      if (expectedBytes !== undefined && sizeBytes !== expectedBytes) throw badRequest(`The upload has ${sizeBytes} bytes; ${expectedBytes} were announced.`);
      if (sizeBytes < judged.atLeastBytes) throw badRequest(`The image is cut off: it has ${sizeBytes} bytes, and needs ${judged.atLeastBytes} at least.`);
      const digests = await hash.digest();
      await file.keep();
      kept = true;
      await this.patiently(() => login.assertGood()).catch(async (error: unknown) => { await this.store.remove(file.location); throw error; });
      await this.finish(caller, image.id, uploadId, file, { sizeBytes, virtualSizeBytes: virtualSize(formats.disk, formats.container, judged, sizeBytes), ...digests });
    } finally {
      hash.end();
      if (!kept) await file.discard();
    }
  }

  private finish(caller: Caller, imageId: string, uploadId: string, file: IncomingFile, facts: { sizeBytes: number; virtualSizeBytes: number | null; md5: string; sha512: string }): Promise<void> {
    // After the last try the file stays: the statement may have been done although its answer was lost. The sweep knows.
    return this.patiently(async () => {
      if (await this.uploads.finish(imageId, uploadId, { location: file.location, ...facts }, caller)) return;
      await this.store.remove(file.location);
      throw new HttpError(410, `Image ${imageId} could not be found after the upload: it was deleted meanwhile, or another upload took its place.`);
    });
  }

  /** What has come is safe; a database that is away for a moment must not cost the client its upload. */
  private async patiently<T>(work: () => Promise<T>): Promise<T> {
    const end = performance.now() + timingsOf(this.config).finishPatienceMs;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof HttpError || (error instanceof SkyError && FINAL.has(error.kind)) || performance.now() > end) throw error;
        await sleep(200);
      }
    }
  }

  private async giveBack(imageId: string, uploadId: string): Promise<void> {
    try {
      await this.uploads.giveBack(imageId, uploadId);
    } catch (error) {
      this.logger.warn({ imageId, uploadId, error: String(error) }, 'image of a failed upload is given back when its lease ends');
    }
  }

  private async refuseTooLarge(expectedBytes: number | undefined): Promise<void> {
    if (expectedBytes === undefined) return;
    if (expectedBytes > this.config.maxImageBytes) throw tooLarge(`The image has ${expectedBytes} bytes; at most ${this.config.maxImageBytes} are allowed.`);
    if (expectedBytes > await this.store.room()) throw tooLarge(`Image storage media is full: there is no room for ${expectedBytes} bytes.`);
  }
}

type Login = Pick<Watched, 'signal' | 'assertGood'>;

/** Refusals that no patience changes. */
const FINAL: ReadonlySet<ErrorKind> = new Set(['over-quota', 'unauthorized']);

interface Formats { disk: DiskFormat; container: ContainerFormat }

/** @throws SkyError conflict or bad-request when the image takes no bytes now. */
function readyForBytes(image: Image): Formats {
  if (image.status === 'active') throw conflict('Image status transition from active to saving is not allowed');
  const missing = [...(image.diskFormat === null ? ['disk_format'] : []), ...(image.containerFormat === null ? ['container_format'] : [])];
  if (image.diskFormat === null || image.containerFormat === null) throw badRequest(`Properties ${missing.join(', ')} must be set prior to saving data.`);
  return { disk: image.diskFormat, container: image.containerFormat };
}

function judge(formats: Formats, head: Uint8Array): Judged {
  const verdict = judgeContent(formats.disk, formats.container, head, { virtualSizeBytes: LIMITS.virtualSizeBytes });
  if (!verdict.ok) throw badRequest(verdict.reason);
  return verdict.judged;
}
