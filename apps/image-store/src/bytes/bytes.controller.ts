import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Policy } from '#libs/auth';
import { ZodQuery } from '#libs/http';
import { ReadSignedBytes } from './read-signed-bytes.js';

const SignedQuery = z.object({ host: z.string().max(255), expires: z.coerce.number().int(), signature: z.string().max(100) });
type SignedQuery = z.output<typeof SignedQuery>;

/** Bytes for hosts. Public: the signature in the URL is the proof. */
@Controller('image/bytes')
export class BytesController {
  constructor(private readonly readSignedBytes: ReadSignedBytes) {}

  @Get(':id')
  @Policy('public')
  read(@Param('id') id: string, @ZodQuery(SignedQuery) query: SignedQuery, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.readSignedBytes.run(id, query, request, reply);
  }
}
