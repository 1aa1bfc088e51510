import type { IncomingMessage } from 'node:http';
import { Controller, Get, Headers, HttpCode, Param, Put, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Policy } from '#libs/auth';
import { badRequest, notFound, unauthorized } from '#libs/errors';
import { Describe } from '../../http/describe.js';
import { DiskRelay } from './disk-relay.js';

/** Disks on their way between hosts, which reach each other through the door only. Public: one-time keys are the proof. */
@Controller('v1/disk-transfers')
export class DiskTransfersController {
  constructor(private readonly relay: DiskRelay) {}

  @Get(':id')
  @Policy('public')
  @Describe({ summary: 'The disk of a server that moves here, for the host that was told its key: the bytes from the range on, then the SHA-512 of all of them', answers: { 200: null, 206: null } })
  receive(@Param('id') id: string, @Headers('authorization') authorization: string | undefined, @Headers('range') range: string | undefined, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.relay.receive(transferId(id), { key: bearer(authorization), offset: offsetOf(range), requestId: request.id }, reply);
  }

  @Put(':id/content')
  @HttpCode(204)
  @Policy('public')
  @Describe({ summary: 'The disk of a server that moves away, from the host that was asked for it', answers: { 204: null } })
  async send(@Param('id') id: string, @Headers('authorization') authorization: string | undefined, @Headers('content-type') type: string | undefined, @Req() request: FastifyRequest): Promise<void> {
    if (!type?.toLowerCase().startsWith('application/octet-stream')) throw badRequest('A disk is sent as application/octet-stream.');
    await this.relay.send(transferId(id), bearer(authorization), request.body as IncomingMessage);
  }
}

function transferId(id: string): string {
  if (!z.uuid().safeParse(id).success) throw notFound('There is no such transfer.');
  return id.toLowerCase();
}

function bearer(authorization: string | undefined): string {
  const key = /^Bearer (\S{1,200})$/.exec(authorization ?? '')?.[1];
  if (key === undefined) throw unauthorized('The key of this transfer is needed.');
  return key;
}

/** `bytes=N-` only: a host goes on from where it was. */
function offsetOf(range: string | undefined): number {
  if (range === undefined) return 0;
  const from = Number(/^bytes=(\d{1,15})-$/.exec(range)?.[1] ?? NaN);
  if (!Number.isSafeInteger(from)) throw badRequest('Only a range of the form bytes=N- is understood.');
  return from;
}
