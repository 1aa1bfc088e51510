// A hundred simulated hosts: what the control plane alone can do. The hosts are simulated; everything else is real.
import { Cloud, pause, progress, round } from './cloud.mjs';
import { createStorm, deleteStorm, idleCost, memory } from './storm.mjs';

const HOSTS = 100;
const SERVERS = 500;
const PARALLEL = 16;

export async function fleet() {
  const cloud = await Cloud.make();
  try {
    progress(`up with ${HOSTS} simulated hosts`);
    const upMs = cloud.up('--fleet', String(HOSTS), '--no-local-host');
    await cloud.login();
    await pause(5_000);
    const idle = await idleCost(cloud, 5_000);
    progress(`${SERVERS} creates at ${PARALLEL} parallel`);
    const create = await createStorm(cloud, { servers: SERVERS, parallel: PARALLEL });
    progress('delete them');
    const remove = await deleteStorm(cloud, PARALLEL);
    return { simulated_hosts: HOSTS, up_ms: round(upMs), idle, create, delete: remove, pss_mib_after: memory(cloud) };
  } finally {
    cloud.end();
  }
}
