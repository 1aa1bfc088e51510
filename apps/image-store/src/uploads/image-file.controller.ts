import type { Readable } from 'node:stream';
import { Controller, Get, HttpCode, Param, Put, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CallerParam, Policy } from '#libs/auth';
import { Caller } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { HttpError } from '#libs/http';
import { SendImage } from '../bytes/send-image.js';
import { FindImage } from '../images/find-image.js';
import { UploadImage } from './upload-image.js';

/** The bytes of an image: in as a stream, out as a stream. */
@Controller('image/v2/images/:id/file')
export class ImageFileController {
  constructor(private readonly uploadImage: UploadImage, private readonly findImage: FindImage, private readonly sendImage: SendImage) {}

  @Put()
  @Policy('image:images:upload')
  @HttpCode(204)
  upload(@CallerParam() caller: Caller, @Param('id') id: string, @Req() request: FastifyRequest): Promise<void> {
    return this.uploadImage.run(caller, id, streamOf(request), lengthOf(request));
  }

  @Get()
  @Policy('image:images:download')
  async download(@CallerParam() caller: Caller, @Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await this.sendImage.run(await this.findImage.run(caller, id), request, reply);
  }
}

function streamOf({ body }: FastifyRequest): Readable {
  if (body === undefined || body === null) throw badRequest('The upload is empty.');
  if (typeof (body as Partial<Readable>).pipe !== 'function') throw new HttpError(415, 'Unsupported Content-Type; send application/octet-stream.');
  return body as Readable;
}

function lengthOf(request: FastifyRequest): number | undefined {
  const header = request.headers['content-length'];
  return header === undefined ? undefined : Number(header);
}
