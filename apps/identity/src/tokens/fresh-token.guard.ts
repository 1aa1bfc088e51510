import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { REAUTHENTICATE, TokenVerifier, type AuthenticatedRequest } from '#libs/auth';
import { unauthorized } from '#libs/errors';

/** For what outlives its request: the token is good by everything that was revoked up to now, not up to a second ago. */
@Injectable()
export class FreshTokenGuard implements CanActivate {
  constructor(private readonly verifier: TokenVerifier) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const header = context.switchToHttp().getRequest<AuthenticatedRequest>().headers['x-auth-token'];
    if (typeof header !== 'string') throw unauthorized(REAUTHENTICATE);
    await this.verifier.verifyNow(header);
    return true;
  }
}
