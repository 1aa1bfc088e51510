/**
 * The OpenAPI documents, made from the routes themselves and the schemas that check their requests. They are checked
 * in, and a difference fails the build: so a change of the API is seen in review.
 */
import { RequestMethod, type Type } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import { z } from 'zod';
import { POLICY_TABLE } from '#libs/auth';
import { MAX_VERSION, Microversion, MIN_VERSION, PLACEMENT_MAX, type VersionText } from '#libs/openstack';
import { COMPUTE_CONTROLLERS, PLACEMENT_READERS, V1_CONTROLLERS } from '../controllers.js';
import { DESCRIPTION_METADATA, type RouteDescription } from '../http/describe.js';
import { onlyIn } from '../http/only-in.js';
import type { VersionedSchema } from '../http/read-input.js';

type Json = Record<string, unknown>;

/** Documents by file name: compute at its lowest and its highest microversion, placement at its highest, and Skylite's own API. */
export async function generateOpenApi(): Promise<Record<string, Json>> {
  return {
    [`compute-${MIN_VERSION}.json`]: document(`Skylite compute API, microversion ${MIN_VERSION}`, COMPUTE_CONTROLLERS, { version: MIN_VERSION, errors: COMPUTE_ERROR, at: MIN_VERSION }),
    [`compute-${MAX_VERSION}.json`]: document(`Skylite compute API, microversion ${MAX_VERSION}`, COMPUTE_CONTROLLERS, { version: MAX_VERSION, errors: COMPUTE_ERROR, at: MAX_VERSION }),
    [`placement-${PLACEMENT_MAX}.json`]: document(`Skylite placement API (read only), microversion ${PLACEMENT_MAX}`, PLACEMENT_READERS, { version: PLACEMENT_MAX, errors: PLACEMENT_ERROR }),
    'v1.json': document('Skylite API', V1_CONTROLLERS, { version: 'v1', errors: OWN_ERROR }),
  };
}

/** @param at of compute's microversions; others' routes and shapes know none */
function document(title: string, controllers: readonly Type[], { version: named, errors, at = MIN_VERSION }: { version: string; errors: Json; at?: VersionText }): Json {
  const version = Microversion.of(at);
  const paths: Record<string, Json> = {};
  for (const route of controllers.flatMap(routesOf)) {
    if (!isIn(route.description, version)) continue;
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operation(route, version) };
  }
  return {
    openapi: '3.1.0',
    info: { title, version: named, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      ...errors,
      securitySchemes: { token: { type: 'apiKey', in: 'header', name: 'X-Auth-Token', description: 'A token of the identity API.' } },
    },
  };
}

const string = { type: 'string' };
/** The compute API names the one key of its errors by status: badRequest, itemNotFound, conflictingRequest, … */
const COMPUTE_ERROR = { schemas: { Error: { type: 'object', minProperties: 1, maxProperties: 1, additionalProperties: { type: 'object', properties: { code: { type: 'integer' }, message: string }, required: ['code', 'message'] } } } };
const PLACEMENT_ERROR = { schemas: { Error: { type: 'object', properties: { errors: { type: 'array', items: {
  type: 'object', properties: { status: { type: 'integer' }, title: string, detail: string, code: string, request_id: string, min_version: string, max_version: string }, required: ['status', 'title', 'detail', 'code', 'request_id'],
} } }, required: ['errors'] } } };
const OWN_ERROR = { schemas: { Error: { type: 'object', properties: { error: { type: 'object', properties: { kind: string, message: string, requestId: string, details: { type: 'object' } }, required: ['kind', 'message', 'requestId'] } }, required: ['error'] } } };
const REFUSED = { description: 'Refused', content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } };

interface Route { path: string; method: string; operationId: string; policy: string; description: RouteDescription }

/** Nest's own marks and ours on a controller's handlers; of a controller's several paths the first one. */
function routesOf(controller: Type): Route[] {
  const prototype = controller.prototype as Record<string, unknown>;
  const [prefix = ''] = [Reflect.getMetadata('path', controller) as string | string[]].flat();
  return new MetadataScanner().getAllMethodNames(prototype).flatMap((handler) => {
    const method = prototype[handler];
    if (typeof method !== 'function' || !Reflect.hasMetadata('method', method)) return [];
    const description = Reflect.getMetadata(DESCRIPTION_METADATA, method) as RouteDescription | undefined;
    if (description === undefined) throw new Error(`${controller.name}.${handler} has no @Describe`);
    const [path = ''] = [Reflect.getMetadata('path', method) as string | string[]].flat();
    return [{
      path: `/${[prefix, path].map((part) => part.replace(/^\/|\/$/g, '')).filter((part) => part !== '').join('/')}`,
      method: RequestMethod[Reflect.getMetadata('method', method) as RequestMethod].toLowerCase(),
      operationId: `${controller.name.replace(/Controller$/, '')}.${handler}`,
      policy: (Reflect.getMetadata('skylite:policy', method) ?? Reflect.getMetadata('skylite:policy', controller)) as string,
      description,
    }];
  });
}

function isIn(description: RouteDescription, version: Microversion): boolean {
  try {
    onlyIn(version, description);
    return true;
  } catch {
    return false;
  }
}

function operation({ path, operationId, policy, description }: Route, version: Microversion): Json {
  const named = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
  const open = !Object.hasOwn(POLICY_TABLE, policy);
  return {
    operationId,
    summary: description.summary,
    'x-policy': policy,
    ...(open ? { security: [] } : { security: [{ token: [] }] }),
    ...((named.length > 0 || description.query !== undefined) && { parameters: [...named, ...queryParameters(description.query, version)] }),
    ...(description.body !== undefined && { requestBody: { required: true, content: content(description.body, version, 'input') } }),
    responses: {
      ...Object.fromEntries(Object.entries(description.answers).map(([status, schema]) => [
        status, { description: STATUS_TEXT[status] ?? 'Refused', ...(schema !== null && { content: content(schema, version, 'output') }) },
      ])),
      default: REFUSED,
    },
  };
}

const STATUS_TEXT: Readonly<Record<string, string>> = { 200: 'Done', 201: 'Created', 202: 'Accepted', 204: 'Done', 501: 'Not offered' };

const schemaAt = (schema: z.ZodType | VersionedSchema, version: Microversion): z.ZodType => (typeof schema === 'function' ? schema(version) : schema);

const content = (schema: z.ZodType | VersionedSchema, version: Microversion, io: 'input' | 'output'): Json => ({ 'application/json': { schema: jsonSchema(schemaAt(schema, version), io) } });

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, '~standard': _standard, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json;
  return rest;
}

/** Compute's query schemas are objects of lists, because names may repeat; Skylite's own are of plain values. */
function queryParameters(query: z.ZodType | VersionedSchema | undefined, version: Microversion): Json[] {
  if (query === undefined) return [];
  const { properties = {} } = jsonSchema(schemaAt(query, version), 'input') as { properties?: Record<string, Json & { items?: Json }> };
  return Object.entries(properties).map(([name, property]) => ({ name, in: 'query', required: false, explode: true, schema: property.items ?? property }));
}
