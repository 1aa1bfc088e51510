import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { z } from 'zod';
import { CallerParam, Policy } from '#libs/auth';
import { rotateTokenKeys, viewTokenKeys, type Caller } from '#libs/contracts';
import { ZodBody } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';

const RotateBody = z.strictObject({
  /** The old keys are known to a stranger: every token that they signed ends now. */
  drop_old: z.boolean().default(false),
});
const KeysAnswer = viewTokenKeys.output;

/** The keys that sign tokens: when they begin and end, never what they are. */
@Controller('v1/token-keys')
export class TokenKeysController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('skylite:token-keys:list')
  @Describe({ summary: 'The keys that sign and verify tokens, the newest first', answers: { 200: KeysAnswer } })
  list(@CallerParam() caller: Caller) {
    return asking(this.bus, caller)(viewTokenKeys, {});
  }

  @Post('rotate')
  @HttpCode(202)
  @Policy('skylite:token-keys:rotate')
  @Describe({ summary: 'Publishes a new key, which signs some seconds later', body: RotateBody, answers: { 202: KeysAnswer } })
  rotate(@CallerParam() caller: Caller, @ZodBody(RotateBody) { drop_old: dropOld }: z.output<typeof RotateBody>) {
    return asking(this.bus, caller)(rotateTokenKeys, { dropOld });
  }
}
