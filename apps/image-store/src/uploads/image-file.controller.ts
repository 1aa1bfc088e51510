import type { Readable } from 'node:stream';
import { Controller, Get, HttpCode, Param, Put, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CallerParam, LoginWatch, Policy, TokenParam, type VerifiedToken } from '#libs/auth';
import { Caller } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { HttpError } from '#libs/http';
import { SendImage } from '../bytes/send-image.js';
import { FindImage } from '../images/find-image.js';
import { UploadImage } from './upload-image.js';

/** The bytes of an image: in as a stream, out as a stream. */
@Controller('image/v2/images/:id/file')
export class ImageFileController {
  constructor(private readonly uploadImage: UploadImage, private readonly findImage: FindImage, private readonly sendImage: SendImage, private readonly logins: LoginWatch) {}

  @Put()
  @Policy('image:images:upload')
  @HttpCode(204)
  async upload(@CallerParam() caller: Caller, @TokenParam() token: VerifiedToken, @Param('id') id: string, @Req() request: FastifyRequest): Promise<void> {
    // It goes on while nobody can say whether its login has ended; what came is kept only when somebody can.
    const login = this.logins.watch(token, { endsUnanswered: false });
    try {
      await this.uploadImage.run(caller, id, streamOf(request), lengthOf(request), login);
    } finally {
      login.release();
    }
  }

  @Get()
  @Policy('image:images:download')
  async download(@CallerParam() caller: Caller, @TokenParam() token: VerifiedToken, @Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const login = this.logins.watch(token, { endsUnanswered: true });
    try {
      await this.sendImage.run(await this.findImage.run(caller, id), request, reply, login.signal);
    } finally {
      login.release();
    }
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
