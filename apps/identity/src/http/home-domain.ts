import type { Caller } from '#libs/contracts';

/** Where something goes that names no domain: the token's own; with any other token the default one, as in Keystone. */
export const homeDomain = (caller: Caller): string => caller.scopeDomainId ?? 'default';
