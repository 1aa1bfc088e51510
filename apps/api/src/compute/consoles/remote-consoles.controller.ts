import { Body, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { BUS, type Bus } from '#libs/messaging';
import { CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { onlyIn } from '../../http/only-in.js';
import { readBody } from '../../http/read-input.js';
import { serverIdOf } from '../servers/server-id.js';
import { openConsoleUrl } from './console-tickets.js';
import { RemoteConsoleAnswer, RemoteConsoleBody } from './consoles.schema.js';

/** A URL to a server's screen or serial port, good once and soon. */
@ComputeController('servers/:id/remote-consoles')
export class RemoteConsolesController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Post()
  @HttpCode(200)
  @Policy('compute:remote-consoles:create')
  @Describe({ summary: 'A URL to a server’s screen or serial console', since: '2.6', body: RemoteConsoleBody, answers: { 200: RemoteConsoleAnswer } })
  async create(@CallParam() call: Call, @Param('id') id: string, @Body() body: unknown) {
    onlyIn(call.version, { since: '2.6' });
    const { protocol, type } = readBody(RemoteConsoleBody(call.version), body).remote_console;
    return { remote_console: { protocol, type, url: await openConsoleUrl(this.bus, call, serverIdOf(id), protocol, type) } };
  }
}
