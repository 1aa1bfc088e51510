import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { internalError } from '#libs/errors';
import { HttpError } from '#libs/http';
import { noSuchImage } from '../images/find-image.js';
import type { Image } from '../images/image.js';
import { ImagesRepository } from '../images/images.repository.js';
import { LIMITS } from '../limits.js';
import { FileStore } from '../store/file-store.js';
import { readRange } from './decide/range.js';

type Wanted = Pick<FastifyRequest, 'method' | 'headers'>;

/** Sends an image's bytes, or the part that a Range header asks for, as a stream. */
@Injectable()
export class SendImage {
  constructor(private readonly images: ImagesRepository, private readonly store: FileStore) {}

  async run(image: Image, request: Wanted, reply: FastifyReply): Promise<void> {
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
    await reply.send(request.method === 'HEAD' ? Readable.from([]) : await this.open(image, image.location, start, end));
  }

  private async open(image: Image, location: string, start: number, end: number): Promise<Readable> {
    try {
      const file = await this.store.read(location);
      return file.createReadStream({ start, end, highWaterMark: LIMITS.readBytes });
    } catch (error) {
      if (await this.images.find(image.id) === undefined) throw noSuchImage(image.id);
      throw internalError(`bytes of active image ${image.id} cannot be read`, { cause: error });
    }
  }
}
