import type { INestApplicationContext } from '@nestjs/common';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { POLICY_METADATA } from './decorators.js';
import { isRule } from './policy-table.js';

export interface RouteEntry { controller: string; handler: string; policy: string | undefined }

/** Nest's own mark of a route's HTTP method on its handler; bus handlers have none. */
const HTTP_METHOD_METADATA = 'method';

/** Every HTTP handler of the application, with the rule that guards it. */
export function listRoutes(modules: ModulesContainer): RouteEntry[] {
  const scanner = new MetadataScanner();
  const routes: RouteEntry[] = [];
  for (const module of modules.values()) {
    for (const { metatype } of module.controllers.values()) {
      if (typeof metatype !== 'function') continue;
      const prototype = metatype.prototype as Record<string, unknown>;
      for (const handler of scanner.getAllMethodNames(prototype)) {
        const method = prototype[handler];
        if (typeof method !== 'function' || !Reflect.hasMetadata(HTTP_METHOD_METADATA, method)) continue;
        const policy = (Reflect.getMetadata(POLICY_METADATA, method) ?? Reflect.getMetadata(POLICY_METADATA, metatype)) as string | undefined;
        routes.push({ controller: metatype.name, handler, policy });
      }
    }
  }
  return routes;
}

/** Fails the boot when any route lacks a policy or names one that is not in the table. */
export function assertEveryRouteHasPolicy(app: INestApplicationContext | ModulesContainer): void {
  const modules = app instanceof ModulesContainer ? app : app.get(ModulesContainer, { strict: false });
  const faults = listRoutes(modules)
    .filter(({ policy }) => policy === undefined || (policy !== 'public' && !isRule(policy)))
    .map(({ controller, handler, policy }) => `${controller}.${handler} ${policy === undefined ? 'has no @Policy' : `names the unknown rule '${policy}'`}`);
  if (faults.length > 0) throw new Error(`Routes without a policy: ${faults.join('; ')}`);
}
