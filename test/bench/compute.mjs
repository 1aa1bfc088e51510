// The instances' service under load: boot and delete storms on 100 and 1,000 simulated hosts, alone and beside uploads of
// images; hosts at rest; all agents coming back at once. Hosts are simulated, everything else is real.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Cloud, now, pause, progress, round } from './cloud.mjs';
import { createStorm, deleteStorm, idleCost, inParallel, memory, query } from './storm.mjs';

const SERVERS = 1_000;
const UPLOADS = 10;
const UPLOAD_BYTES = 1024 ** 3;
const RECONNECT_DEADLINE_MS = 120_000;

export async function compute() {
  const result = {};
  for (const hosts of [100, 1_000]) result[`fleet_${hosts}`] = await onFleet(hosts);
  return result;
}

/** One size alone. */
export async function onFleet(hosts) {
  const cloud = await Cloud.make();
  try {
    progress(`up with ${hosts} simulated hosts`);
    const upMs = cloud.up('--fleet', String(hosts), '--no-local-host');
    await cloud.login();
    // Hosts that have just come ask more often than hosts at rest.
    await pause(60_000);
    progress('at rest');
    const idle = await idleCost(cloud, 20_000);
    const storms = [];
    for (const parallel of [16, 64]) {
      progress(`${SERVERS} creates, then deletes, at ${parallel} parallel`);
      storms.push({ create: await createStorm(cloud, { servers: SERVERS, parallel, prefix: `p${parallel}` }), delete: await deleteStorm(cloud, parallel) });
    }
    progress(`${SERVERS} creates while ${UPLOADS} GiB of images are uploaded`);
    const uploading = upload(cloud);
    const beside = await createStorm(cloud, { servers: SERVERS, parallel: 16, prefix: 'beside' });
    const uploaded = await uploading;
    await deleteStorm(cloud, 16);
    progress('every agent loses its connection');
    const reconnect = await reconnectAll(cloud, hosts);
    return { simulated_hosts: hosts, up_ms: round(upMs), idle, storms, beside_uploads: { create: beside, upload: uploaded }, reconnect, pss_mib_after: memory(cloud) };
  } finally {
    cloud.end();
  }
}

/** Ten images of a GiB each, two at a time, sent from memory. */
async function upload(cloud) {
  const block = Buffer.alloc(1024 ** 2, 7);
  const began = now();
  const ids = [];
  await inParallel(Array.from({ length: UPLOADS }, (_, n) => n), 2, async (n) => {
    const { id } = await cloud.call('POST', '/image/v2/images', { name: `bench-${n}`, disk_format: 'raw', container_format: 'bare' });
    ids.push(id);
    const body = Readable.toWeb(Readable.from((function* blocks() { for (let sent = 0; sent < UPLOAD_BYTES; sent += block.length) yield block; })()));
    const { status } = await fetch(`${cloud.base}/image/v2/images/${id}/file`, { method: 'PUT', body, duplex: 'half', headers: { 'x-auth-token': cloud.token, 'content-type': 'application/octet-stream' } });
    if (status !== 204) throw new Error(`upload: ${status}`);
  });
  const seconds = (now() - began) / 1000;
  for (const id of ids) await cloud.call('DELETE', `/image/v2/images/${id}`);
  return { gib: UPLOADS, seconds: round(seconds), mib_per_s: round((UPLOADS * 1024) / seconds) };
}

/** The bus is killed; how long until every host was heard again, and how many were taken for lost meanwhile. */
async function reconnectAll(cloud, hosts) {
  const [{ at }] = await query(cloud, 'SELECT now() AS at');
  process.kill(JSON.parse(readFileSync(join(cloud.home, 'run/state/nats-server.json'), 'utf8')).process.pid, 'SIGKILL');
  const began = now();
  let lost = 0;
  let back = null;
  while (back === null && now() - began < RECONNECT_DEADLINE_MS) {
    // What the scheduler itself heard: beats are stored seconds later.
    const known = (await cloud.call('GET', '/v1/hosts').catch(() => undefined))?.hosts ?? [];
    lost = Math.max(lost, known.filter(({ alive }) => !alive).length);
    // A beat may have been on its way when the bus died: a second later there are none of before.
    if (known.filter(({ lastSeenAt }) => lastSeenAt !== null && Date.parse(lastSeenAt) > at.getTime() + 1_000).length === hosts) back = (now() - began) / 1000;
    else await pause(250);
  }
  return { hosts, seconds_until_all_are_heard: back === null ? null : round(back), falsely_lost_at_most: lost };
}
