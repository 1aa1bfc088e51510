/** May a project have this much? What an upload reserves before its bytes come. Pure. */
import type { ResourceLimits } from '#libs/contracts';

/** -1: no limit. Sizes are limited by MiB, as Glance does. */
export interface ImageLimits { sizeMib: number; stageMib: number; count: number; uploading: number }
export interface ImageUsage { count: number; bytes: number; uploading: number }

export const MIB = 1024 * 1024;

export const imageLimitsOf = (limits: ResourceLimits): ImageLimits => ({
  sizeMib: limits['image_size_total'] ?? -1, stageMib: limits['image_stage_total'] ?? -1, count: limits['image_count_total'] ?? -1, uploading: limits['image_count_uploading'] ?? -1,
});

/** Part of a MiB counts as one where people look; what is refused is decided by bytes. */
export const mibOf = (bytes: number): number => Math.ceil(bytes / MIB);

const over = (name: string, limit: number, used: number, more: number): string => `Resource ${name} is over limit of ${limit} due to current usage ${used} and delta ${more}`;

/** Why one image more is too many, or undefined. */
export const whyNotOneMore = (limits: ImageLimits, used: Pick<ImageUsage, 'count'>): string | undefined =>
  (limits.count >= 0 && used.count + 1 > limits.count ? over('image_count_total', limits.count, used.count, 1) : undefined);

/** Why one more image with all its bytes is too many, or undefined. @param others what there is without it. */
export const whyNotTake = (limits: ImageLimits, others: ImageUsage, bytes: number): string | undefined =>
  whyNotOneMore(limits, others) ?? reservation(limits, others, bytes, 0).refused;

/** Why an upload of so many bytes may not begin, or undefined. @param others what there is without it. */
export function whyNotUpload(limits: ImageLimits, others: ImageUsage, bytes: number): string | undefined {
  if (limits.uploading >= 0 && others.uploading + 1 > limits.uploading) return over('image_count_uploading', limits.uploading, others.uploading, 1);
  return reservation(limits, others, bytes, 0).refused;
}

/**
 * How many bytes an upload of unknown length reserves when it has `needed` of them: ahead of what has come, so that not every
 * slab costs a commit; but where the limit is near only what it needs, so that nobody is refused for what nobody uses.
 */
export function reservation(limits: Pick<ImageLimits, 'sizeMib'>, others: Pick<ImageUsage, 'bytes'>, needed: number, ahead: number): { bytes: number; refused?: string } {
  if (limits.sizeMib < 0) return { bytes: needed + ahead };
  const room = limits.sizeMib * MIB - others.bytes;
  // A limit below what is there takes nothing away: what needs nothing more may be.
  if (needed > room && needed > 0) return { bytes: 0, refused: over('image_size_total', limits.sizeMib, mibOf(others.bytes), mibOf(needed)) };
  return { bytes: room - needed > ahead * NEAR ? needed + ahead : needed };
}

/** The limit is near when fewer than so many uploads could reserve ahead. */
const NEAR = 16;
