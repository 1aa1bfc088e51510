import type { FileHandle } from 'node:fs/promises';
import type { OutgoingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { internalError } from '#libs/errors';
import { HttpError } from '#libs/http';
import { LOGGER, type Logger } from '#libs/observability';
import { noSuchImage } from '../images/find-image.js';
import type { Image } from '../images/image.js';
import { ImagesRepository } from '../images/images.repository.js';
import { FileStore } from '../store/file-store.js';
import { readRange } from './decide/range.js';
import { ClientGone, pump } from './pump.js';

type Wanted = Pick<FastifyRequest, 'id' | 'method' | 'headers'>;

/** Sends an image's bytes, or the part that a Range header asks for, as a stream. */
@Injectable()
export class SendImage {
  constructor(private readonly images: ImagesRepository, private readonly store: FileStore, @Inject(LOGGER) private readonly logger: Logger) {}

  /** @param signal breaks it off, with its reason. */
  async run(image: Image, request: Wanted, reply: FastifyReply, signal?: AbortSignal): Promise<void> {
    if (image.location === null || image.sizeBytes === null) {
      await reply.code(204).send();
      return;
    }
    const size = image.sizeBytes;
    const range = readRange(request.headers.range, size);
    if (range === 'unsatisfiable') throw new HttpError(416, `The range lies outside of the image, which has ${size} bytes.`, { 'content-range': `bytes */${size}` });
    const { start, end } = range ?? { start: 0, end: size - 1 };
    void reply.headers({ 'content-type': 'application/octet-stream', 'content-length': String(end - start + 1), 'accept-ranges': 'bytes' });
    if (range !== undefined) void reply.code(206).header('content-range', `bytes ${start}-${end}/${size}`);
    // Clients compare it with the MD5 of what they got: of the whole only.
    else if (image.md5 !== null) void reply.header('content-md5', image.md5);
    if (request.method === 'HEAD') {
      await reply.send(Readable.from([]));
      return;
    }
    const file = await this.open(image, image.location);
    // From here on the answer is ours: what goes wrong shows as a broken connection, since its length is promised.
    reply.hijack();
    reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders);
    const breakOff = (): void => {
      this.logger.info({ imageId: image.id, requestId: request.id, reason: String(signal?.reason) }, 'download ended');
      reply.raw.destroy();
    };
    if (signal?.aborted === true) breakOff();
    signal?.addEventListener('abort', breakOff);
    try {
      await pump(file, start, end, reply.raw);
    } catch (error) {
      reply.raw.destroy();
      if (!(error instanceof ClientGone)) this.logger.error({ imageId: image.id, requestId: request.id, error: String(error) }, 'download broke off');
    } finally {
      signal?.removeEventListener('abort', breakOff);
    }
  }

  private async open(image: Image, location: string): Promise<FileHandle> {
    try {
      return await this.store.read(location);
    } catch (error) {
      if (await this.images.find(image.id) === undefined) throw noSuchImage(image.id);
      throw internalError(`bytes of active image ${image.id} cannot be read`, { cause: error });
    }
  }
}
