/**
 * A service's own copy of projects' limits: identity owns them, whoever owns a resource counts by a copy.
 *
 * Owns: how old a copy may be (a changed limit acts within two seconds), that an older one never replaces a newer one,
 * and what happens while identity is away (the last copy goes on counting for a while). Never counts anything. A crash
 * loses copies, which are asked for again.
 */
export { LimitsCopy, type LimitsAnswer, type LimitsCopyOptions } from './limits-copy.js';
export { QUOTA_LIMITS } from './limits.js';
