import { ImageId, type ImageSummary } from '#libs/contracts';
import type { Image } from './image.js';

/**
 * An image as the other services see it. Only content that was checked has a format: what hides in another container
 * than `bare` is not offered as a disk.
 */
export const imageSummary = (image: Image): ImageSummary => ({
  id: ImageId.parse(image.id), name: image.name, status: image.status, sizeBytes: image.sizeBytes, virtualSizeBytes: image.virtualSizeBytes,
  diskFormat: image.containerFormat === 'bare' ? image.diskFormat : null, sha512: image.sha512, minDiskGib: image.minDiskGib, minRamMib: image.minRamMib, properties: image.properties,
});
