/** Every feature of servers in the version table, asked of the door right before its version and right at it. A feature without a question here fails. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createServers, evacuateServer, listServers, lockServer, migrateServer } from '#libs/contracts';
import { FEATURES, Microversion, type Feature } from '#libs/openstack';
import { IMAGE_ID, SERVER_ID } from '../../testing/samples.js';
import { ScriptedCloud } from '../../testing/scripted-cloud.js';

let cloud: ScriptedCloud;
beforeAll(async () => { cloud = await ScriptedCloud.start(); });
afterAll(() => cloud.stop());
afterEach(() => cloud.reset());

type As = 'member' | 'admin';
const SERVERS = '/compute/v2.1/servers';
const get = async (version: string, path = `/${SERVER_ID}`, as: As = 'admin') => cloud.call('GET', `${SERVERS}${path}`, { version, as });
const shows = (key: string, as: As = 'admin') => async (version: string): Promise<boolean> => Object.hasOwn((await get(version, `/${SERVER_ID}`, as)).body.server, key);
const act = (body: object) => async (version: string): Promise<number> => (await cloud.call('POST', `${SERVERS}/${SERVER_ID}/action`, { version, as: 'admin', body })).status;
const accepts = (body: object, ok = 202) => async (version: string): Promise<boolean> => (await act(body)(version)) === ok;
const create = (server: object) => async (version: string): Promise<boolean> =>
  (await cloud.call('POST', SERVERS, { version, as: 'admin', body: { server: { name: 'a', imageRef: IMAGE_ID, flavorRef: '1', ...(Number(version.slice(2)) >= 37 && { networks: 'none' }), ...server } } })).status === 202;
/** Does the question that the list asks of the owner have it? */
const filters = (query: string, name: string, as: As = 'member') => async (version: string): Promise<boolean> => {
  const { status } = await get(version, `?${query}`, as);
  const [asked] = cloud.questions(listServers);
  return status === 200 && (asked === undefined || name in { ...asked.filters, ...asked.filters.matching });
};
const not = (question: (version: string) => Promise<boolean>) => async (version: string): Promise<boolean> => !(await question(version));
const device = (more: object) => ({ block_device_mapping_v2: [{ source_type: 'image', destination_type: 'local', boot_index: 0, uuid: IMAGE_ID, ...more }] });

/** true from the feature's version on, false right before. */
const ASKED: Readonly<Record<Extract<Feature, `server${string}`> extends infer F extends string ? Exclude<F, `server-group${string}`> : never, (version: string) => Promise<boolean>>> = {
  'server.more-attributes': shows('OS-EXT-SRV-ATTR:reservation_id'),
  'server-filter.ip6': async (version) => { await get(version, '?ip6=fe80', 'member'); return cloud.questions(listServers).length === 0; },
  'server.locked': shows('locked'),
  'server-evacuate.no-shared-storage': accepts({ evacuate: {} }, 200),
  'server.host-status': shows('host_status'),
  'server.description': shows('description', 'member'),
  'server.tags': shows('tags', 'member'),
  'server-evacuate.force': accepts({ evacuate: { force: false } }, 200),
  'server-create.device-tags-once': create(device({ tag: 't' })),
  'server-create.networks-required': async (version) => !(await create({ networks: undefined })(version)),
  'server-filter.strict-status': async (version) => (await get(version, '?status=odd', 'member')).status === 400,
  'server-create.device-tags': create(device({ tag: 't' })),
  'server.embedded-flavor': async (version) => Object.hasOwn((await get(version)).body.server.flavor, 'original_name'),
  'server-create.tags': create({ tags: ['a'] }),
  'server-rebuild.key-name': accepts({ rebuild: { imageRef: IMAGE_ID, key_name: 'k' } }),
  'server-migrate.host': async (version) => { await act({ migrate: { host: 'beta' } })(version); return cloud.questions(migrateServer)[0]?.host === 'beta'; },
  'server-create.no-personality': not(create({ personality: [] })),
  'server-rebuild.user-data': accepts({ rebuild: { imageRef: IMAGE_ID, user_data: 'aGk=' } }),
  'server.trusted-certificates': shows('trusted_image_certificates', 'member'),
  'server-filter.changes-before': filters('changes-before=2026-01-01', 'changesBefore'),
  'server-create.volume-type': create(device({ volume_type: null })),
  'server-evacuate.no-force': not(accepts({ evacuate: { force: false } }, 200)),
  'server.groups': shows('server_groups', 'member'),
  'server.locked-reason': async (version) => { await act({ lock: { locked_reason: 'x' } })(version); return cloud.questions(lockServer)[0]?.reason === 'x'; },
  'server-create.host': create({ host: 'alpha' }),
  'server.same-everywhere': async (version) => Object.hasOwn((await cloud.call('PUT', `${SERVERS}/${SERVER_ID}`, { version, body: { server: { name: 'n' } } })).body.server, 'key_name'),
  'server.topology': async (version) => (await get(version, `/${SERVER_ID}/topology`, 'member')).status === 200,
  'server-filter.more': filters('vm_state=active', 'vmState'),
  'server.hostname': shows('OS-EXT-SRV-ATTR:hostname', 'member'),
  'server.fqdn': create({ hostname: 'a.example.org' }),
  'server-evacuate.stopped': async (version) => { await act({ evacuate: {} })(version); return cloud.questions(evacuateServer)[0]?.stopped === true; },
  'server.pinned-zone': shows('pinned_availability_zone', 'member'),
};

describe('features of servers', () => {
  const names = (Object.keys(FEATURES) as Feature[]).filter((name) => name.startsWith('server') && !name.startsWith('server-group'));
  it('are all asked for', () => expect(Object.keys(ASKED).sort()).toEqual([...names].sort()));

  it.each(names)('%s: not before, and from then on', async (name) => {
    const { since } = FEATURES[name];
    const question = ASKED[name as keyof typeof ASKED];
    expect([since, await question(`2.${Number(since.slice(2)) - 1}`), await question(since)]).toEqual([since, false, true]);
  });

  it('stay until the last version', async () => {
    const once: readonly Feature[] = ['server-create.device-tags-once', 'server-evacuate.force'];
    for (const name of names.filter((each) => !once.includes(each))) expect([name, await ASKED[name as keyof typeof ASKED](Microversion.max.toString())]).toEqual([name, true]);
  });

  it('that ended: tags of devices between 2.32 and 2.42, force until 2.67', async () => {
    for (const [version, expected] of [['2.32', true], ['2.33', false], ['2.41', false], ['2.42', true]] as const) expect([version, await create(device({ tag: 't' }))(version)]).toEqual([version, expected]);
    for (const [version, expected] of [['2.67', true], ['2.68', false]] as const) expect([version, await accepts({ evacuate: { force: false } }, 200)(version)]).toEqual([version, expected]);
    expect(cloud.questions(createServers).length).toBe(2);
  });
});
