export const STATUSES = ['queued', 'saving', 'active', 'killed', 'deleted'] as const;
export type Status = (typeof STATUSES)[number];
export const VISIBILITIES = ['public', 'private', 'shared', 'community'] as const;
export type Visibility = (typeof VISIBILITIES)[number];
export const DISK_FORMATS = ['ami', 'ari', 'aki', 'vhd', 'vhdx', 'vmdk', 'raw', 'qcow2', 'vdi', 'ploop', 'iso'] as const;
export type DiskFormat = (typeof DISK_FORMATS)[number];
export const CONTAINER_FORMATS = ['ami', 'ari', 'aki', 'bare', 'ovf', 'ova', 'docker', 'compressed'] as const;
export type ContainerFormat = (typeof CONTAINER_FORMATS)[number];

/** What its owner says about an image. */
export interface ImageSpec {
  owner: string;
  name: string | null;
  visibility: Visibility;
  diskFormat: DiskFormat | null;
  containerFormat: ContainerFormat | null;
  minDiskGib: number;
  minRamMib: number;
  protected: boolean;
  osHidden: boolean;
  tags: string[];
  /** Free properties; never one of the names above. */
  properties: Record<string, string>;
}

/** An image as it is stored. */
export interface Image extends ImageSpec {
  id: string;
  status: Status;
  sizeBytes: number | null;
  virtualSizeBytes: number | null;
  md5: string | null;
  sha512: string | null;
  /** Relative to the store; set while active. */
  location: string | null;
  uploadId: string | null;
  createdAt: Date;
  updatedAt: Date;
}
