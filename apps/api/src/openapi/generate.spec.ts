import { beforeAll, describe, expect, it } from '@jest/globals';
import { generateOpenApi } from './generate.js';

type Operation = { operationId: string; security: object[]; responses: Record<string, object>; parameters?: { name: string; in: string }[]; requestBody?: { content: Record<string, { schema: { properties: Record<string, { properties?: object }> } }> } };
type Doc = { paths: Record<string, Record<string, Operation>> };

let documents: Record<string, Doc>;
beforeAll(async () => { documents = (await generateOpenApi()) as unknown as Record<string, Doc>; });
const operations = (name: string): Operation[] => Object.values(documents[name]?.paths ?? {}).flatMap((path) => Object.values(path));

describe('generateOpenApi', () => {
  it('has a document for both ends of the microversions, one for placement and one for /v1', () => expect(Object.keys(documents)).toEqual(['compute-2.1.json', 'compute-2.96.json', 'placement-1.39.json', 'v1.json']));

  it('is the same every time', async () => expect(JSON.stringify(await generateOpenApi())).toBe(JSON.stringify(documents)));

  it('names every operation once, with its answers', () => {
    for (const name of Object.keys(documents)) {
      const ids = operations(name).map(({ operationId }) => operationId);
      expect(new Set(ids).size).toBe(ids.length);
      for (const operation of operations(name)) expect(Object.keys(operation.responses).length).toBeGreaterThan(0);
    }
  });

  it('has each version’s routes and fields', () => {
    const body = (name: string) => Object.keys(documents[name]?.paths['/compute/v2.1/servers']?.['post']?.requestBody?.content['application/json']?.schema.properties['server']?.properties ?? {});
    expect(body('compute-2.1.json')).toContain('personality');
    expect(body('compute-2.96.json')).toEqual(expect.arrayContaining(['tags', 'description']));
    expect(body('compute-2.96.json')).not.toContain('personality');
    expect(documents['compute-2.1.json']?.paths).toHaveProperty(['/compute/v2.1/os-hypervisors/{pattern}/search']);
    expect(documents['compute-2.96.json']?.paths).not.toHaveProperty(['/compute/v2.1/os-hypervisors/{pattern}/search']);
    expect(documents['compute-2.96.json']?.paths).toHaveProperty(['/compute/v2.1/servers/{id}/tags']);
  });

  it('says which parameters there are and who needs no token', () => {
    const list = documents['compute-2.1.json']?.paths['/compute/v2.1/servers/detail']?.['get'];
    expect(list?.parameters).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'limit', in: 'query' }), expect.objectContaining({ name: 'name', in: 'query' })]));
    const open = operations('v1.json').filter(({ security }) => security.length === 0).map(({ operationId }) => operationId);
    expect(open.sort()).toEqual(['DiskTransfers.receive', 'DiskTransfers.send', 'Hosts.join', 'V1Version.get']);
    expect(operations('placement-1.39.json').filter(({ security }) => security.length === 0).map(({ operationId }) => operationId)).toEqual(['PlacementVersions.list']);
    expect(documents['placement-1.39.json']?.paths['/placement/allocation_candidates']?.['get']?.parameters).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'resources', in: 'query' })]));
    expect(operations('compute-2.1.json').filter(({ security }) => security.length === 0).map(({ operationId }) => operationId).sort()).toEqual(['Versions.get', 'Versions.list']);
  });
});
