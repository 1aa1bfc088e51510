/** The OpenAPI documents know every route, action, field and filter of servers, at both ends of the microversions. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { MAX_VERSION, Microversion } from '#libs/openstack';
import { generateOpenApi } from '../../openapi/generate.js';
import { ACTIONS } from './server-actions.js';
import { CreateServerBody, UpdateServerBody } from './servers.schema.js';
import { ListServersQuery } from './servers.query.js';

interface Schema { properties?: Record<string, Schema>; anyOf?: Schema[]; required?: string[] }
interface Operation { parameters?: { name: string; in: string }[]; requestBody?: { content: Record<string, { schema: Schema }> }; responses: Record<string, unknown>; 'x-policy': string }
let paths: (version: string) => Record<string, Record<string, Operation>>;
beforeAll(async () => {
  const documents = (await generateOpenApi()) as unknown as Record<string, { paths: Record<string, Record<string, Operation>> }>;
  paths = (version) => documents[`compute-${version}.json`]?.paths ?? {};
});

const BASE = '/compute/v2.1/servers';
const ROUTES: [path: string, methods: string[], since21: boolean][] = [
  ['', ['get', 'post'], true], ['/detail', ['get'], true], ['/{id}', ['get', 'put', 'delete'], true], ['/{id}/action', ['post'], true], ['/{id}/metadata', ['get', 'post', 'put'], true],
  ['/{id}/metadata/{key}', ['get', 'put', 'delete'], true], ['/{id}/ips', ['get'], true], ['/{id}/os-interface', ['get'], true], ['/{id}/os-volume_attachments', ['get'], true],
  ['/{id}/os-security-groups', ['get'], true], ['/{id}/tags', ['get', 'put', 'delete'], false], ['/{id}/tags/{tag}', ['get', 'put', 'delete'], false], ['/{id}/topology', ['get'], false],
];
const bodyOf = (version: string, path: string, method: string): Schema => paths(version)[`${BASE}${path}`]?.[method]?.requestBody?.content['application/json']?.schema ?? {};
const shapeOf = (schema: { shape: object }): string[] => Object.keys(schema.shape).sort();

describe.each(['2.1', MAX_VERSION] as const)('at %s', (version) => {
  const at = Microversion.of(version);

  it.each(ROUTES)('%s: %j', (path, methods, since21) => {
    const found = paths(version)[`${BASE}${path}`];
    expect(Object.keys(found ?? {}).sort()).toEqual(since21 || version !== '2.1' ? [...methods].sort() : []);
    for (const operation of Object.values(found ?? {})) {
      expect(operation['x-policy']).toMatch(/^compute:/);
      expect(Object.keys(operation.responses)).toContain('default');
    }
  });

  it('every action that is offered', () => {
    const named = (bodyOf(version, '/{id}/action', 'post').anyOf ?? []).map(({ properties, required }) => [Object.keys(properties ?? {})[0], required?.[0]]);
    const offered = Object.keys(ACTIONS).filter((name) => version === '2.1' || !/^os-get(?!ConsoleOutput).*Console$/.test(name));
    expect(named.map(([name]) => name).sort()).toEqual([...offered].sort());
  });

  it('every field of create and PUT, every parameter of lists', () => {
    expect(Object.keys(bodyOf(version, '', 'post').properties?.['server']?.properties ?? {}).sort()).toEqual(shapeOf(CreateServerBody(at).shape.server));
    expect(Object.keys(bodyOf(version, '/{id}', 'put').properties?.['server']?.properties ?? {}).sort()).toEqual(shapeOf(UpdateServerBody(at).shape.server));
    for (const path of ['', '/detail']) {
      expect((paths(version)[`${BASE}${path}`]?.['get']?.parameters ?? []).map(({ name }) => name).sort()).toEqual(shapeOf(ListServersQuery(at)));
    }
  });
});
