import { Controller, Delete, Get, Header, HttpCode, Inject, Param, Patch, Post, Put, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CallerParam, Policy } from '#libs/auth';
import { Caller } from '#libs/contracts';
import { IdsParam, ZodBody, type Ids } from '#libs/http';
import { IMAGE_CONFIG, linkBase, type ImageConfig } from '../config.js';
import { CreateImage } from './create-image.js';
import type { PatchOperation } from './decide/patch.js';
import { DeleteImage } from './delete-image.js';
import { FindImage } from './find-image.js';
import { CreateImageBody, PatchBody } from './images.schema.js';
import { imageView } from './images.view.js';
import { ListImages } from './list-images.js';
import { patchOnly } from './patch-type.js';
import { UpdateImage } from './update-image.js';

@Controller('image/v2/images')
export class ImagesController {
  constructor(
    private readonly listImages: ListImages, private readonly findImage: FindImage, private readonly createImage: CreateImage,
    private readonly updateImage: UpdateImage, private readonly deleteImage: DeleteImage,
    @Inject(IMAGE_CONFIG) private readonly config: ImageConfig,
  ) {}

  @Get()
  @Policy('image:images:list')
  list(@CallerParam() caller: Caller, @Query() query: Record<string, string | string[]>): Promise<Record<string, unknown>> {
    return this.listImages.run(caller, query);
  }

  @Post()
  @Policy('image:images:create')
  @Header('OpenStack-image-store-ids', 'file')
  async create(@CallerParam() caller: Caller, @ZodBody(CreateImageBody) body: CreateImageBody, @IdsParam() ids: Ids, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<Record<string, unknown>> {
    const image = await this.createImage.run(caller, body, ids);
    void reply.header('location', `${linkBase(this.config, request)}/image/v2/images/${image.id}`);
    return imageView(image);
  }

  @Get(':id')
  @Policy('image:images:get')
  async show(@CallerParam() caller: Caller, @Param('id') id: string): Promise<Record<string, unknown>> {
    return imageView(await this.findImage.run(caller, id));
  }

  @Patch(':id')
  @Policy('image:images:update')
  async patch(@CallerParam() caller: Caller, @Param('id') id: string, @ZodBody(PatchBody) operations: PatchOperation[], @Req() request: FastifyRequest): Promise<Record<string, unknown>> {
    patchOnly(request);
    return imageView(await this.updateImage.patch(caller, id, operations));
  }

  @Delete(':id')
  @Policy('image:images:delete')
  @HttpCode(204)
  remove(@CallerParam() caller: Caller, @Param('id') id: string): Promise<void> {
    return this.deleteImage.run(caller, id);
  }

  @Put(':id/tags/:tag')
  @Policy('image:tags:update')
  @HttpCode(204)
  addTag(@CallerParam() caller: Caller, @Param('id') id: string, @Param('tag') tag: string): Promise<void> {
    return this.updateImage.addTag(caller, id, tag);
  }

  @Delete(':id/tags/:tag')
  @Policy('image:tags:update')
  @HttpCode(204)
  removeTag(@CallerParam() caller: Caller, @Param('id') id: string, @Param('tag') tag: string): Promise<void> {
    return this.updateImage.removeTag(caller, id, tag);
  }
}
