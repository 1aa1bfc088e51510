import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { unauthorized } from '#libs/errors';
import { AccessRuleBook } from './access-rule-book.js';
import { isAllowedByRules } from './access-rules.js';
import { policyOf, type AuthenticatedRequest } from './decorators.js';
import { REAUTHENTICATE } from './messages.js';
import { callerOf, TokenVerifier } from './token-verifier.js';

export { REAUTHENTICATE };

/** Who calls: turns X-Auth-Token into the request's caller, and keeps to the access rules of its application credential. */
@Injectable()
export class TokenGuard implements CanActivate {
  constructor(private readonly reflector: Reflector, private readonly verifier: TokenVerifier, private readonly accessRules: AccessRuleBook) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http' || policyOf(this.reflector, context) === 'public') return true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const header = request.headers['x-auth-token'];
    if (typeof header !== 'string' || header === '') throw unauthorized(REAUTHENTICATE);
    request.token = await this.verifier.verify(header);
    const { claims } = request.token;
    if (claims.applicationCredential?.ruled === true && !isAllowedByRules(await this.accessRules.rulesOf(claims.applicationCredential.id), request.method, request.url)) {
      // Keystone's middleware knows no other word for it.
      throw unauthorized(REAUTHENTICATE, { internal: `no access rule of the application credential ${claims.applicationCredential.id} allows this request` });
    }
    request.caller = callerOf(claims, request.id, request.ip);
    return true;
  }
}
