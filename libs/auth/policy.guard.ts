import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { internalError, unauthorized } from '#libs/errors';
import { policyOf, type AuthenticatedRequest } from './decorators.js';
import { REAUTHENTICATE } from './messages.js';
import { enforce } from './policy-table.js';
import { ownOf } from './policy/grants.js';

/** May they: applies the route's rule to the caller that TokenGuard found, as for what is their own; whose it is, the handler asks. Default deny. */
@Injectable()
export class PolicyGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    if (context.getType() !== 'http') return true;
    const rule = policyOf(this.reflector, context);
    if (rule === undefined) throw internalError(`route without a policy: ${context.getClass().name}.${context.getHandler().name}`);
    if (rule === 'public') return true;
    const { caller } = context.switchToHttp().getRequest<AuthenticatedRequest>();
    if (caller === undefined) throw unauthorized(REAUTHENTICATE);
    enforce(rule, caller, ownOf(caller));
    return true;
  }
}
