// Lists of servers: GET /servers/detail with 1,000 and 100,000 servers of one project, page by page to the last, alone and by
// sixteen at once; and the lists that people sort and filter. Rows are written straight into the database, settled and
// without a host: only reading is measured.
import { pathToFileURL } from 'node:url';
import { Cloud, now, progress, round, summary } from './cloud.mjs';
import { inParallel, query } from './storm.mjs';

const SIZES = [1_000, 100_000];
const ASKED = 20;

export async function computeLists() {
  const cloud = await Cloud.make();
  try {
    progress('up with one simulated host');
    cloud.up('--fleet', '1', '--no-local-host');
    await cloud.login();
    const project = (await (await fetch(`${cloud.base}/identity/v3/auth/tokens`, { headers: { 'x-auth-token': cloud.token, 'x-subject-token': cloud.token } })).json()).token.project.id;
    const result = {};
    for (const size of SIZES) {
      progress(`${size} servers`);
      await fill(cloud, project, size);
      result[`servers_${size}`] = await measure(cloud, size);
    }
    return result;
  } finally {
    cloud.end();
  }
}

/** `size` servers in all, as a cloud that is lived in has them: most run, some are off, one in fifty failed. */
async function fill(cloud, project, size) {
  const [{ here }] = await query(cloud, 'SELECT count(*)::int AS here FROM compute.instances');
  await query(cloud, `
    INSERT INTO compute.instances (id, cell_id, project_id, user_id, name, hostname, metadata, tags, intent, flavor_id, image_id, spec, vcpus, ram_mib, reservation_id, availability_zone, step, reconcile_at,
      observed_state, observed_generation, fault, created_at, updated_at, launched_at)
    SELECT gen_random_uuid(), (SELECT cell_id FROM control.cell), $1, 'bench', 'web-' || n, 'web-' || n, jsonb_build_object('role', 'web', 'n', n::text), ARRAY['t' || n % 10], CASE WHEN n % 5 = 0 THEN 'stopped' ELSE 'running' END,
      '42', '0ddba11a-0000-4000-8000-000000000001', $2::jsonb, 1, 128, 'r-' || lpad((n / 10)::text, 8, '0'), 'nova', CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'settled' END, NULL,
      CASE WHEN n % 5 = 0 THEN 'stopped' ELSE 'running' END, 1, CASE WHEN n % 50 = 0 THEN '{"code":500,"message":"No valid host was found.","details":null,"createdAt":"2026-01-01T00:00:00.000Z"}'::jsonb END,
      now() - n * interval '1 second', now() - n * interval '1 second', now() - n * interval '1 second'
    FROM generate_series($3::int + 1, $4::int) AS n`, [project, JSON.stringify(SPEC), here, size]);
  await query(cloud, 'VACUUM ANALYZE compute.instances');
}

const SPEC = {
  flavor: { id: '42', name: 'm1.nano', vcpus: 1, ramMib: 128, diskGib: 1, ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: true, disabled: false, description: null, extraSpecs: { 'hw:cpu_policy': 'shared' } },
  image: { id: '0ddba11a-0000-4000-8000-000000000001', sha512: 'a'.repeat(128), sizeBytes: 1, virtualSizeBytes: 1, format: 'raw' }, diskGib: 1, claimDiskGib: 1,
  publicKey: `ssh-ed25519 ${'A'.repeat(68)} bench`, randomSeed: 'A'.repeat(88),
};

async function measure(cloud, size) {
  const get = (query) => cloud.call('GET', `/compute/v2.1/servers/detail?${query}`);
  const markers = await walk(get, size);
  const from = (marker) => (marker === undefined ? '' : `marker=${marker}`);
  const pages = { first: '', middle: from(markers[Math.floor(markers.length / 2)]), last: from(markers.at(-1)) };
  const of = async (query, parallel) => {
    const times = [];
    await get(query);
    await inParallel(Array.from({ length: parallel === 1 ? ASKED : ASKED * 4 }, () => query), parallel, async (each) => { const began = now(); await get(each); times.push(now() - began); });
    return summary(times);
  };
  const result = { page_of_1000_ms: {}, others_of_1000_ms: {} };
  for (const [name, query] of Object.entries(pages)) result.page_of_1000_ms[name] = { at_1: await of(`limit=1000&${query}`, 1), at_16: await of(`limit=1000&${query}`, 16) };
  for (const query of OTHERS) result.others_of_1000_ms[query] = await of(query, 1);
  result.whole_walk_s = round(markers.took / 1000, 2);
  return result;
}

const OTHERS = [
  'limit=100', 'status=ERROR', 'status=ACTIVE', 'sort_key=display_name&sort_dir=asc', 'sort_key=updated_at', 'sort_key=vm_state&sort_key=created_at', 'name=%5Eweb-77%24', 'name=web-9', 'all_tenants=1',
  'all_tenants=1&sort_key=display_name', 'changes-since=2000-01-01T00:00:00Z', 'vm_state=error&all_tenants=1', 'flavor=none', 'reservation_id=r-00000007', 'deleted=True',
];

/** Every page to the end: where its full pages begin. Misses and repeats are an error of the measurement. */
async function walk(get, size) {
  const markers = [];
  const seen = new Set();
  const began = now();
  for (let marker = ''; ;) {
    const { servers } = await get(`limit=1000${marker === '' ? '' : `&marker=${marker}`}`);
    for (const { id } of servers) seen.add(id);
    if (servers.length < 1000) break;
    // After it comes a page that was full.
    if (marker !== '') markers.push(marker);
    marker = servers.at(-1).id;
  }
  markers.took = now() - began;
  if (seen.size !== size) throw new Error(`walked over ${seen.size} of ${size} servers`);
  return markers;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) process.stdout.write(`${JSON.stringify(await computeLists(), null, 1)}\n`);
