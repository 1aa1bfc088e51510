import { Module, type DynamicModule, type OnApplicationBootstrap, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { APP_GUARD, ModulesContainer } from '@nestjs/core';
import { getAccessRules, listTokenKeys } from '#libs/contracts';
import type { Bus } from '#libs/messaging';
import { AccessRuleBook } from './access-rule-book.js';
import { LoginWatch } from './login-watch.js';
import { PolicyGuard } from './policy.guard.js';
import { assertEveryRouteHasPolicy } from './routes.js';
import { TokenGuard } from './token.guard.js';
import { TokenVerifier } from './token-verifier.js';

export interface AuthOptions { bus: Bus }

/** One module per bus: several HTTP modules in one application share the verifier, and the guards run once. */
const registered = new WeakMap<Bus, DynamicModule>();

/**
 * Puts TokenGuard and PolicyGuard before every HTTP route of the application that imports it, and refuses to boot when
 * a route has no policy. Exports TokenVerifier.
 */
@Module({})
export class AuthModule implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  constructor(private readonly verifier: TokenVerifier, private readonly modules: ModulesContainer) {}

  static register({ bus }: AuthOptions): DynamicModule {
    const known = registered.get(bus);
    if (known !== undefined) return known;
    const module: DynamicModule = {
      module: AuthModule,
      providers: [
        { provide: TokenVerifier, useFactory: () => new TokenVerifier((question) => bus.ask(listTokenKeys, question)) },
        { provide: AccessRuleBook, useFactory: () => new AccessRuleBook(async (applicationCredentialId) => (await bus.ask(getAccessRules, { applicationCredentialId })).rules) },
        { provide: LoginWatch, useFactory: (verifier: TokenVerifier) => new LoginWatch(verifier), inject: [TokenVerifier] },
        { provide: APP_GUARD, useClass: TokenGuard },
        { provide: APP_GUARD, useClass: PolicyGuard },
      ],
      exports: [TokenVerifier, AccessRuleBook, LoginWatch],
    };
    registered.set(bus, module);
    return module;
  }

  onModuleInit(): void {
    assertEveryRouteHasPolicy(this.modules);
  }

  onApplicationBootstrap(): void {
    this.verifier.start();
  }

  onApplicationShutdown(): void {
    this.verifier.stop();
  }
}
