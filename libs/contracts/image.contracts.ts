import { z } from 'zod';
import { Caller, ImageId } from './common.js';
import { defineContract } from './contract.js';

export const ImageSummary = z.object({
  id: ImageId,
  name: z.string().nullable(),
  status: z.string(),
  /** Bytes of the stored file; null until uploaded. */
  sizeBytes: z.int().nullable(),
  /** Bytes of the disk inside (qcow2's virtual size). */
  virtualSizeBytes: z.int().nullable(),
  diskFormat: z.string().nullable(),
  sha512: z.string().nullable(),
  minDiskGib: z.int(),
  minRamMib: z.int(),
  properties: z.record(z.string(), z.string()),
});
export type ImageSummary = z.output<typeof ImageSummary>;

/** not-found when the caller may not see it. */
export const getImage = defineContract({
  subject: 'svc.image.images.get',
  input: z.object({ caller: Caller, imageId: ImageId }),
  output: ImageSummary,
  timeoutMs: 2_000,
});

/** A short-lived URL for one image's bytes. Asked by compute on behalf of a host that was given a server of this image. */
export const signImageUrl = defineContract({
  subject: 'svc.image.images.sign-url',
  input: z.object({ imageId: ImageId, audience: z.string().describe('host id, for the log') }),
  output: z.object({ url: z.url(), expiresAtMs: z.int(), sha512: z.string(), sizeBytes: z.int() }),
  timeoutMs: 2_000,
});
