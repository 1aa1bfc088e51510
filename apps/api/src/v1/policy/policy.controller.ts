import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { CallerParam, grantWords, Policy, POLICY_TABLE } from '#libs/auth';
import { explainPolicy, type Caller } from '#libs/contracts';
import { ZodBody } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { asking } from '../../http/call.js';
import { Describe } from '../../http/describe.js';
import { ExplainAnswer, ExplainBody, RulesAnswer } from './policy.schema.js';

/** The rules there are, and why one says yes or no. */
@Controller('v1/policy')
export class PolicyController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get('rules')
  @Policy('skylite:policy:explain')
  @Describe({ summary: 'Every rule, and who may by it', answers: { 200: RulesAnswer } })
  rules() {
    return { rules: Object.entries(POLICY_TABLE).map(([rule, grants]) => ({ rule, who: grants.map(grantWords) })) };
  }

  @Post('explain')
  @HttpCode(200)
  @Policy('skylite:policy:explain')
  @Describe({ summary: 'May that user do what that rule is about, and why (not)', body: ExplainBody, answers: { 200: ExplainAnswer } })
  explain(@CallerParam() caller: Caller, @ZodBody(ExplainBody) { target, ...body }: ExplainBody) {
    return asking(this.bus, caller)(explainPolicy, { ...body, ...(target !== undefined && { target }) });
  }
}
