import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import 'reflect-metadata';
import { RequestMethod, type DynamicModule, type Type } from '@nestjs/common';
import { POLICY_METADATA, POLICY_TABLE } from '#libs/auth';
import { InMemoryBus } from '#libs/messaging';
import { ApiHttpModule, generateOpenApi } from '../../apps/api/src/api.module.js';
import { IdentityHttpModule } from '../../apps/identity/src/identity.module.js';
import { ImageHttpModule } from '../../apps/image-store/src/image-store.module.js';

const root = resolve(import.meta.dirname, '../..');
const generate = process.env.SKYLITE_GENERATE === '1';

/** Compares with what is checked in; `npm run generate` writes it anew. */
function matches(path: string, text: string): void {
  if (generate) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  expect(text).toBe(readFileSync(join(root, path), 'utf8'));
}

interface Route { method: string; path: string; policy: string | undefined }

/** Every handler of a module's controllers and of what it imports, with Nest's own metadata and ours. */
function routesOf(module: DynamicModule | Type, seen = new Set<unknown>()): Route[] {
  if (seen.has(module)) return [];
  seen.add(module);
  const dynamic = 'module' in module ? module : undefined;
  const controllers = [...(dynamic?.controllers ?? []), ...((Reflect.getMetadata('controllers', dynamic?.module ?? module) ?? []) as Type[])];
  const imports = [...(dynamic?.imports ?? []), ...((Reflect.getMetadata('imports', dynamic?.module ?? module) ?? []) as (DynamicModule | Type)[])] as (DynamicModule | Type)[];
  return [...controllers.flatMap(handlersOf), ...imports.flatMap((one) => routesOf(one, seen))];
}

function handlersOf(controller: Type): Route[] {
  const prototype = controller.prototype as Record<string, unknown>;
  return Object.getOwnPropertyNames(prototype).flatMap((name) => {
    const handler = Object.getOwnPropertyDescriptor(prototype, name)?.value as object | undefined;
    if (typeof handler !== 'function' || !Reflect.hasMetadata('method', handler)) return [];
    const list = (value: unknown): string[] => (Array.isArray(value) ? value : [value ?? '']) as string[];
    const policy = (Reflect.getMetadata(POLICY_METADATA, handler) ?? Reflect.getMetadata(POLICY_METADATA, controller)) as string | undefined;
    return list(Reflect.getMetadata('path', controller)).flatMap((base) => list(Reflect.getMetadata('path', handler)).map((path): Route => ({
      method: RequestMethod[Reflect.getMetadata('method', handler) as number] ?? '?', path: `/${base}/${path}`.replace(/\/+/g, '/').replace(/(.)\/$/, '$1'), policy,
    })));
  });
}

describe('the public door', () => {
  const bus = new InMemoryBus();
  const deps = { bus, db: {}, config: {}, logger: {} } as never;
  const routes = [ApiHttpModule.register(deps), IdentityHttpModule.register(deps), ImageHttpModule.register(deps)].flatMap((module) => routesOf(module));

  it('has a known policy on every route', () => {
    expect(routes.length).toBeGreaterThan(80);
    expect(routes.filter((route) => route.policy !== 'public' && !(String(route.policy) in POLICY_TABLE))).toEqual([]);
  });

  it('has the routes and policies that are checked in', () => {
    matches('docs/openapi/routes.txt', `${routes.map((route) => `${route.method.padEnd(7)} ${route.path.padEnd(70)} ${String(route.policy)}`).sort().join('\n')}\n`);
  });

  it('has the OpenAPI documents that are checked in', async () => {
    for (const [name, document] of Object.entries(await generateOpenApi())) matches(`docs/openapi/${name}`, `${JSON.stringify(document, null, 1)}\n`);
  });
});
