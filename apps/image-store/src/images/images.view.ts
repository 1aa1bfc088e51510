import type { Image } from './image.js';

/** Glance's dates: seconds, no fraction. */
const date = (value: Date): string => value.toISOString().replace(/\.\d{3}Z$/, 'Z');

/** An image as Glance v2 shows it: free properties beside the base attributes, relative links. */
export const imageView = (image: Image): Record<string, unknown> => ({
  ...image.properties,
  name: image.name,
  disk_format: image.diskFormat,
  container_format: image.containerFormat,
  visibility: image.visibility,
  size: image.sizeBytes,
  virtual_size: image.virtualSizeBytes,
  status: image.status,
  checksum: image.md5,
  protected: image.protected,
  min_ram: image.minRamMib,
  min_disk: image.minDiskGib,
  owner: image.owner,
  os_hidden: image.osHidden,
  os_hash_algo: image.sha512 === null ? null : 'sha512',
  os_hash_value: image.sha512,
  id: image.id,
  created_at: date(image.createdAt),
  updated_at: date(image.updatedAt),
  tags: image.tags,
  self: `/v2/images/${image.id}`,
  file: `/v2/images/${image.id}/file`,
  schema: '/v2/schemas/image',
});

/** A page: `next` when there is more, both links with the client's own query. */
export function imagesView(images: readonly Image[], more: boolean, query: URLSearchParams): Record<string, unknown> {
  const first = new URLSearchParams(query);
  first.delete('marker');
  const next = new URLSearchParams(first);
  const last = images.at(-1);
  if (last !== undefined) next.set('marker', last.id);
  const link = (params: URLSearchParams): string => (params.size === 0 ? '/v2/images' : `/v2/images?${params.toString()}`);
  return { images: images.map(imageView), first: link(first), ...(more && last !== undefined && { next: link(next) }), schema: '/v2/schemas/images' };
}
