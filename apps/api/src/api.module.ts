/**
 * The public door to compute and Skylite's own /v1: HTTP in, questions on the bus out, answers in the shape that the
 * asked microversion has. Owns one thing, what it answered to requests with an Idempotency-Key: a crash here loses the
 * requests under way, which clients repeat.
 * The door that carries it calls `onApiRequest` first on every request (createDoor's `onRequest`).
 */
import { Module, type DynamicModule } from '@nestjs/common';
import { AuthModule } from '#libs/auth';
import type { Database } from '#libs/db';
import type { IdempotencyOptions } from '#libs/http';
import { BUS } from '#libs/messaging';
import { LOGGER } from '#libs/observability';
import { API_CONFIG, type ApiDeps } from './api.config.js';
import { ConsoleAssets } from './compute/consoles/console-assets.js';
import { ConsoleDoor } from './compute/consoles/console-door.js';
import { ServerContexts } from './compute/servers/server-contexts.js';
import { CONTROLLERS } from './controllers.js';
import { IdempotencyRepository } from './idempotency/idempotency.repository.js';
import { IdempotencySweeper } from './idempotency/sweeper.js';
import { ChangeFeed } from './v1/events/change-feed.js';
import { OpenStreams } from './v1/events/open-streams.js';
import { DiskRelay } from './v1/disk-transfers/disk-relay.js';
import { JoinBrake } from './v1/hosts/join-brake.js';

export type { ApiConfig, ApiDeps } from './api.config.js';
export { Denials } from './denials/denials.js';
export { onApiRequest } from './http/on-request.js';
export { generateOpenApi } from './openapi/generate.js';

/** What the door remembers keyed requests with. @param secret hexadecimal, at least 32 bytes, the same in all processes. */
export const idempotencyOf = (db: Database, secret: string): IdempotencyOptions => ({ store: new IdempotencyRepository(db), secret: Buffer.from(secret, 'hex') });

@Module({})
export class ApiHttpModule {
  static register({ bus, config, logger, db }: ApiDeps): DynamicModule {
    return {
      module: ApiHttpModule,
      imports: [AuthModule.register({ bus })],
      controllers: [...CONTROLLERS],
      providers: [
        { provide: BUS, useValue: bus },
        { provide: LOGGER, useValue: logger },
        { provide: API_CONFIG, useValue: config },
        { provide: JoinBrake, useFactory: () => new JoinBrake() },
        ServerContexts, ChangeFeed, OpenStreams, ConsoleDoor, DiskRelay, ConsoleAssets,
        ...(db === undefined ? [] : [{ provide: IdempotencySweeper, useFactory: () => new IdempotencySweeper(new IdempotencyRepository(db), logger) }]),
      ],
    };
  }
}
