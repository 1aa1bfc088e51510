/** Does an image fit a flavor? Nova's checks in Nova's words. Pure. */
import type { Flavor, ImageSummary } from '#libs/contracts';

const GIB = 1024 ** 3;

/** Why a server of this flavor cannot be made of this image, or undefined. */
export function whyNotBootable(image: ImageSummary, flavor: Flavor): string | undefined {
  if (image.status !== 'active') return `Image ${image.id} is not active.`;
  if (image.sha512 === null || image.sizeBytes === null) return `Image ${image.id} has no data.`;
  if (image.diskFormat !== 'qcow2' && image.diskFormat !== 'raw') {
    return `Image ${image.id} has the disk format ${image.diskFormat ?? '(none)'}; servers boot from qcow2 and raw images.`;
  }
  if (flavor.ramMib < image.minRamMib) return "Flavor's memory is too small for requested image.";
  // 0 stands for "as large as the image": it always fits.
  if (flavor.diskGib === 0) return undefined;
  const flavorBytes = flavor.diskGib * GIB;
  const imageBytes = bootBytes(image);
  if (imageBytes > flavorBytes) return `Flavor's disk is too small for requested image. Flavor disk is ${flavorBytes} bytes, image is ${imageBytes} bytes.`;
  const minBytes = image.minDiskGib * GIB;
  if (minBytes > flavorBytes) {
    return `Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is ${flavorBytes} bytes, minimum size is ${minBytes} bytes.`;
  }
  return undefined;
}

/** What is claimed of a host's disk, GiB. */
export const claimedDiskGib = (image: Pick<ImageSummary, 'virtualSizeBytes' | 'sizeBytes'>, flavor: Flavor): number =>
  (flavor.diskGib > 0 ? flavor.diskGib : Math.ceil(bootBytes(image) / GIB)) + flavor.ephemeralGib + Math.ceil(flavor.swapMib / 1024);

/** Seconds a guest of this image has to power off, as Nova's image property says; what is no such number does not count. */
export function powerOffTimeoutOf({ properties }: Pick<ImageSummary, 'properties'>): number | undefined {
  const text = properties['os_shutdown_timeout'];
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined;
  return Math.min(Number(text), 86_400);
}

/** The disk inside: a qcow2's virtual size; a raw image is its own. */
const bootBytes = (image: Pick<ImageSummary, 'virtualSizeBytes' | 'sizeBytes'>): number => image.virtualSizeBytes ?? image.sizeBytes ?? 0;
