import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { unauthorized } from '#libs/errors';
import { policyOf, type AuthenticatedRequest } from './decorators.js';
import { REAUTHENTICATE } from './messages.js';
import { callerOf, TokenVerifier } from './token-verifier.js';

export { REAUTHENTICATE };

/** Who calls: turns X-Auth-Token into the request's caller. */
@Injectable()
export class TokenGuard implements CanActivate {
  constructor(private readonly reflector: Reflector, private readonly verifier: TokenVerifier) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http' || policyOf(this.reflector, context) === 'public') return true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const header = request.headers['x-auth-token'];
    if (typeof header !== 'string' || header === '') throw unauthorized(REAUTHENTICATE);
    request.token = await this.verifier.verify(header);
    request.caller = callerOf(request.token.claims, request.id);
    return true;
  }
}
