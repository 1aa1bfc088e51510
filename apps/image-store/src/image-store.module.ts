/**
 * The image store's two Nest modules: the HTTP door's part (Glance v2 and the bytes) and the bus part (questions of the other
 * services, and the sweep). Each may run alone; they share the database and the folder of files, and nothing in memory.
 */
import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { AuthModule } from '#libs/auth';
import { DATABASE } from '#libs/db';
import { LOGGER } from '#libs/observability';
import { BytesController } from './bytes/bytes.controller.js';
import { ReadSignedBytes } from './bytes/read-signed-bytes.js';
import { SendImage } from './bytes/send-image.js';
import { SignImageUrl } from './bytes/sign-image-url.js';
import { UrlSigner } from './bytes/url-signer.js';
import { IMAGE_CONFIG, type ImageDeps } from './config.js';
import { InfoController } from './discovery/info.controller.js';
import { SchemasController } from './discovery/schemas.controller.js';
import { VersionsController } from './discovery/versions.controller.js';
import { CreateImage } from './images/create-image.js';
import { DeleteImage } from './images/delete-image.js';
import { FindImage } from './images/find-image.js';
import { ImagesBusController } from './images/images-bus.controller.js';
import { ImagesController } from './images/images.controller.js';
import { ImagesRepository } from './images/images.repository.js';
import { ListImages } from './images/list-images.js';
import { UpdateImage } from './images/update-image.js';
import { ImageLimitsCopy } from './quota/image-limits-copy.js';
import { ImageUsageRepository } from './quota/image-usage.repository.js';
import { UsageController } from './quota/usage.controller.js';
import { FileStore } from './store/file-store.js';
import { Hashing } from './store/hashing.js';
import { CountedUploads } from './uploads/counted-uploads.js';
import { ImageFileController } from './uploads/image-file.controller.js';
import { RunningUploads } from './uploads/running-uploads.js';
import { SweepReconciler } from './uploads/sweep.reconciler.js';
import { UploadImage } from './uploads/upload-image.js';
import { UploadsRepository } from './uploads/uploads.repository.js';

export type { ImageConfig, ImageDeps } from './config.js';

/** What both modules need. */
const shared = ({ db, config, logger }: ImageDeps): Provider[] => [
  { provide: DATABASE, useValue: db },
  { provide: LOGGER, useValue: logger },
  { provide: IMAGE_CONFIG, useValue: config },
  { provide: FileStore, useFactory: () => FileStore.open(config.dataDir) },
  { provide: UrlSigner, useFactory: () => new UrlSigner(config.urlSecret) },
  ImageUsageRepository, ImagesRepository, UploadsRepository, FindImage,
];

/** Serves `/image`. */
@Module({})
export class ImageHttpModule {
  static register(deps: ImageDeps): DynamicModule {
    return {
      module: ImageHttpModule,
      imports: [AuthModule.register({ bus: deps.bus })],
      controllers: [VersionsController, InfoController, SchemasController, UsageController, ImagesController, ImageFileController, BytesController],
      providers: [...shared(deps), { provide: ImageLimitsCopy, useFactory: () => new ImageLimitsCopy(deps.bus) }, CountedUploads, Hashing, RunningUploads, CreateImage, UpdateImage, DeleteImage, ListImages, UploadImage, SendImage, ReadSignedBytes],
    };
  }
}

/** Answers getImage and signImageUrl, and sweeps. */
@Module({})
export class ImageBusModule {
  static register(deps: ImageDeps): DynamicModule {
    return { module: ImageBusModule, controllers: [ImagesBusController], providers: [...shared(deps), SignImageUrl, SweepReconciler] };
  }
}
