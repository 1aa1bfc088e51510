import { Controller, Get } from '@nestjs/common';
import { Policy } from '#libs/auth';

/** What this image service offers beyond the basics: one store, and no import methods (bytes are uploaded). */
@Controller('image/v2/info')
export class InfoController {
  @Get('import')
  @Policy('image:info:get')
  importMethods(): Record<string, unknown> {
    return { 'import-methods': { description: 'Import methods available.', type: 'array', value: [] } };
  }

  @Get('stores')
  @Policy('image:stores:list')
  stores(): Record<string, unknown> {
    return { stores: [{ id: 'file', description: 'Files of this cloud', default: 'true' }] };
  }
}
