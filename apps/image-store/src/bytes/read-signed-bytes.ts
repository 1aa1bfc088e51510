import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { forbidden } from '#libs/errors';
import { noSuchImage } from '../images/find-image.js';
import { ImagesRepository } from '../images/images.repository.js';
import { SendImage } from './send-image.js';
import { UrlSigner } from './url-signer.js';

@Injectable()
export class ReadSignedBytes {
  constructor(private readonly images: ImagesRepository, private readonly signer: UrlSigner, private readonly send: SendImage) {}

  async run(id: string, query: { host: string; expires: number; signature: string }, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!this.signer.verify({ imageId: id, host: query.host, expiresAtMs: query.expires }, query.signature, Date.now())) {
      throw forbidden('The URL is not valid, or it has expired: ask for a new one.');
    }
    const image = await this.images.find(id);
    if (image === undefined) throw noSuchImage(id);
    await this.send.run(image, request, reply);
  }
}
