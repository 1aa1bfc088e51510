import type { Database } from '#libs/db';
import type { Bus } from '#libs/messaging';
import type { Logger } from '#libs/observability';

export interface IdentityConfig {
  /** Absolute base URL in links and the catalog; absent: what each request itself came by. */
  publicUrl?: string;
  /** The one region of the catalog. */
  region: string;
  /** Seconds a token lives. */
  tokenTtlS: number;
}

/** What the process gives to identity's applications; the HTTP and the bus application share it. */
export interface IdentityDeps { bus: Bus; db: Database; config: IdentityConfig; logger: Logger }

/** Injection token of IdentityConfig. */
export const IDENTITY_CONFIG = Symbol('IDENTITY_CONFIG');
