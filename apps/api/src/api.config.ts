import type { Bus } from '#libs/messaging';
import type { Logger } from '#libs/observability';

export interface ApiConfig {
  /** The one region of this cloud. */
  readonly region: string;
}

/** What the process made and this app uses. */
export interface ApiDeps {
  readonly bus: Bus;
  readonly config: ApiConfig;
  readonly logger: Logger;
}

/** Injection token of ApiConfig. */
export const API_CONFIG = Symbol('API_CONFIG');
