/**
 * The public door to compute and Skylite's own /v1: HTTP in, questions on the bus out, answers in the shape that the
 * asked microversion has. Owns no state: a crash here loses the requests under way, which clients repeat.
 * The door that carries it calls `onComputeRequest` first on every request (createDoor's `onRequest`).
 */
import { Module, type DynamicModule } from '@nestjs/common';
import { AuthModule } from '#libs/auth';
import { BUS } from '#libs/messaging';
import { LOGGER } from '#libs/observability';
import { API_CONFIG, type ApiDeps } from './api.config.js';
import { ServerContexts } from './compute/servers/server-contexts.js';
import { CONTROLLERS } from './controllers.js';
import { JoinBrake } from './v1/hosts/join-brake.js';

export type { ApiConfig, ApiDeps } from './api.config.js';
export { onComputeRequest } from './http/call.js';
export { generateOpenApi } from './openapi/generate.js';

@Module({})
export class ApiHttpModule {
  static register({ bus, config, logger }: ApiDeps): DynamicModule {
    return {
      module: ApiHttpModule,
      imports: [AuthModule.register({ bus })],
      controllers: [...CONTROLLERS],
      providers: [
        { provide: BUS, useValue: bus },
        { provide: LOGGER, useValue: logger },
        { provide: API_CONFIG, useValue: config },
        { provide: JoinBrake, useFactory: () => new JoinBrake() },
        ServerContexts,
      ],
    };
  }
}
