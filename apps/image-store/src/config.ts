import { publicUrl, type LinkRequest } from '#libs/http';
import type { Bus } from '#libs/messaging';
import type { Database } from '#libs/db';
import type { Logger } from '#libs/observability';
import { LIMITS, type Timings } from './limits.js';

export interface ImageConfig {
  /** Folder of the image files; made when it is missing. */
  dataDir: string;
  /** Base of links when it is fixed; undefined: as each client reached the door. */
  publicUrl?: string | undefined;
  /** Base under which hosts reach the door. */
  internalUrl: string;
  /** Hex, at least 32 bytes: signs URLs. All processes of the image store share it. */
  urlSecret: string;
  maxImageBytes: number;
  /** For tests. */
  timings?: Partial<Timings>;
}

/** What the process made for the image store. */
export interface ImageDeps { bus: Bus; db: Database; config: ImageConfig; logger: Logger }

/** Injection token of ImageConfig. */
export const IMAGE_CONFIG = Symbol('IMAGE_CONFIG');

export const timingsOf = (config: ImageConfig): Timings => ({
  beatMs: LIMITS.beatMs, leaseMs: LIMITS.leaseMs, sweepMs: LIMITS.sweepMs, orphanMs: LIMITS.orphanMs, finishPatienceMs: LIMITS.finishPatienceMs,
  slowWindowMs: LIMITS.slowWindowMs, ...config.timings,
});

/** Base of absolute links in an answer to this request. */
export const linkBase = (config: ImageConfig, request: LinkRequest): string => config.publicUrl?.replace(/\/+$/, '') ?? publicUrl(request);
