import { createParamDecorator, SetMetadata, type ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import type { Caller } from '#libs/contracts';
import { internalError } from '#libs/errors';
import type { PolicyRule } from './policy-table.js';
import type { VerifiedToken } from './token-verifier.js';

export const POLICY_METADATA = 'skylite:policy';

/** The part of a request that the guards read and fill. */
export interface AuthenticatedRequest {
  readonly id: string;
  readonly method: string;
  /** As it came, with its query. */
  readonly url: string;
  /** Where it came from; behind a trusted proxy what that says. */
  readonly ip: string;
  readonly headers: Record<string, string | string[] | undefined>;
  caller?: Caller;
  token?: VerifiedToken;
}

/** The rule of a route (or of a controller's every route). `public`: no token needed. A route without one fails the boot. */
export const Policy = (rule: PolicyRule | 'public') => SetMetadata(POLICY_METADATA, rule);

export const policyOf = (reflector: Reflector, context: Pick<ExecutionContext, 'getHandler' | 'getClass'>): PolicyRule | 'public' | undefined =>
  reflector.getAllAndOverride<PolicyRule | 'public' | undefined>(POLICY_METADATA, [context.getHandler(), context.getClass()]);

/** The caller of this request. On a public route there is none: asking for it there is a bug. */
export const CallerParam = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const { caller } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (caller === undefined) throw internalError('CallerParam on a route without a verified token');
  return caller;
});

/** The verified token of this request, for identity's own routes. */
export const TokenParam = createParamDecorator((_: unknown, context: ExecutionContext): VerifiedToken => {
  const { token } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (token === undefined) throw internalError('TokenParam on a route without a verified token');
  return token;
});
