import type { Database } from '#libs/db';
import type { Bus } from '#libs/messaging';
import type { Logger } from '#libs/observability';

export interface ConsoleConfig {
  /** Where hosts reach this very process (http or https, without a path): they dial it. */
  readonly dialUrl: string;
  /** Configured base of links, if any: its pages may open consoles. */
  readonly publicUrl?: string;
  /** Origins or host names whose pages may open consoles besides, and frame them. */
  readonly allowedOrigins: readonly string[];
}

export interface ApiConfig {
  /** The one region of this cloud. */
  readonly region: string;
  /** Absent: consoles are not offered. */
  readonly consoles?: ConsoleConfig;
}

/** What the process made and this app uses. */
export interface ApiDeps {
  readonly bus: Bus;
  readonly config: ApiConfig;
  readonly logger: Logger;
  /** Schema `api`; without it keyed requests are not remembered. */
  readonly db?: Database;
}

/** Injection token of ApiConfig. */
export const API_CONFIG = Symbol('API_CONFIG');
