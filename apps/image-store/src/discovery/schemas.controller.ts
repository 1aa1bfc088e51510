import { Controller, Get } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { CONTAINER_FORMATS, DISK_FORMATS, STATUSES, VISIBILITIES } from '../images/image.js';
import { LIMITS } from '../limits.js';

const text = (description: string, more: object = {}): object => ({ type: 'string', description, ...more });
const orNull = (description: string, more: object = {}): object => ({ type: ['null', 'string'], description, ...more });
const made = { readOnly: true };

/** The JSON schema by which clients know which properties are the service's own and which are free. */
const IMAGE_SCHEMA = {
  name: 'image',
  properties: {
    id: text('An identifier for the image', { pattern: '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$' }),
    name: orNull('Descriptive name for the image', { maxLength: LIMITS.nameChars }),
    status: text('Status of the image', { enum: STATUSES, ...made }),
    visibility: text('Scope of image accessibility', { enum: VISIBILITIES }),
    protected: { type: 'boolean', description: 'If true, image will not be deletable.' },
    os_hidden: { type: 'boolean', description: 'If true, image will not appear in default image list response.' },
    checksum: orNull('md5 hash of image contents.', { maxLength: 32, ...made }),
    os_hash_algo: orNull('Algorithm to calculate the os_hash_value', { maxLength: 64, ...made }),
    os_hash_value: orNull('Hexdigest of the image contents using the algorithm specified by the os_hash_algo', { maxLength: 128, ...made }),
    owner: orNull('Owner of the image', { maxLength: 255 }),
    size: { type: ['null', 'integer'], description: 'Size of image file in bytes', ...made },
    virtual_size: { type: ['null', 'integer'], description: 'Virtual size of image in bytes', ...made },
    container_format: orNull('Format of the container', { enum: [null, ...CONTAINER_FORMATS] }),
    disk_format: orNull('Format of the disk', { enum: [null, ...DISK_FORMATS] }),
    created_at: text('Date and time of image registration', made),
    updated_at: text('Date and time of the last image modification', made),
    tags: { type: 'array', description: 'List of strings related to the image', items: { type: 'string', maxLength: LIMITS.tagChars } },
    min_ram: { type: 'integer', description: 'Amount of ram (in MB) required to boot image.' },
    min_disk: { type: 'integer', description: 'Amount of disk space (in GB) required to boot image.' },
    self: text('An image self url', made),
    file: text('An image file url', made),
    schema: text('An image schema url', made),
  },
  additionalProperties: { type: 'string' },
  links: [{ rel: 'self', href: '{self}' }, { rel: 'enclosure', href: '{file}' }, { rel: 'describedby', href: '{schema}' }],
};

const IMAGES_SCHEMA = {
  name: 'images',
  properties: { images: { type: 'array', items: IMAGE_SCHEMA }, first: { type: 'string' }, next: { type: 'string' }, schema: { type: 'string' } },
  links: [{ rel: 'first', href: '{first}' }, { rel: 'next', href: '{next}' }, { rel: 'describedby', href: '{schema}' }],
};

@Controller('image/v2/schemas')
export class SchemasController {
  @Get('image')
  @Policy('image:schemas:get')
  image(): object {
    return IMAGE_SCHEMA;
  }

  @Get('images')
  @Policy('image:schemas:get')
  images(): object {
    return IMAGES_SCHEMA;
  }
}
