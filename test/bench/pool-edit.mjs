// Pool edit → VFs ready: from the word to the API until every VF can be claimed, on one simulated host (the host's kernel is a fake one in memory;
// services, database, messages and the agent are real), beside what that kernel takes for the same writes without all of them.
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { Cloud, now, pause, progress, root, round } from './cloud.mjs';
import { clock } from './looks.mjs';

const SHAPE = { pfs: 4, vfsPerPf: 64 };
const ALL = SHAPE.pfs * SHAPE.vfsPerPf;
const FEW = 1;
const ROUNDS = 5;
const EVERY_MS = 50;
const MOST_MS = 180_000;

/** @returns milliseconds; `edit`: from PATCH until all are available, `answered`: until the PATCH itself is answered (every host has been thought through) */
export async function poolEdit() {
  const cloud = await Cloud.make({ SKYLITE_SIMULATED_PFS: `${SHAPE.pfs}`, SKYLITE_SIMULATED_VFS_PER_PF: `${SHAPE.vfsPerPf}` });
  try {
    progress(`up with one simulated host of ${SHAPE.pfs} ports, ${SHAPE.vfsPerPf} VFs each`);
    cloud.up('--fleet', '1', '--no-local-host');
    await cloud.login();
    await until('the host tells its ports', async () => (await devices(cloud, 'kind=pf')).length === SHAPE.pfs);
    await cloud.call('POST', '/v1/device-classes', { name: 'net', match: { vendor: ['8086'], product: ['1889'] } });
    await cloud.call('POST', '/v1/device-pools', { name: 'net', className: 'net', mode: 'vfs', match: { vendor: ['8086'], product: ['1592'] }, vfCount: FEW });
    await ready(cloud, FEW);
    const [edits, answers] = [[], []];
    for (let n = 0; n < ROUNDS; n += 1) {
      progress(`edit ${n + 1} of ${ROUNDS}`);
      const began = now();
      await cloud.call('PATCH', '/v1/device-pools/net', { vfCount: SHAPE.vfsPerPf });
      answers.push(now() - began);
      await ready(cloud, SHAPE.vfsPerPf);
      edits.push(now() - began);
      await cloud.call('PATCH', '/v1/device-pools/net', { vfCount: FEW });
      await ready(cloud, FEW);
    }
    const [edit, alone] = [figures(edits), await bare()];
    return {
      host: 'simulated: its kernel is a fake one in memory', ...SHAPE, vfs: ALL, edit_to_all_available_ms: edit, answered_ms: figures(answers), per_vf_ms: round(edit.p50 / ALL),
      bare_writes_to_that_kernel_ms: alone, ratio_to_bare: round(edit.p50 / alone.p50),
    };
  } finally {
    cloud.end();
  }
}

const devices = async (cloud, query) => (await cloud.call('GET', `/v1/devices?${query}&limit=500`)).devices;

/** Until every port has so many VFs, and all of them can be claimed. */
const ready = (cloud, each) => until(`${each} VFs a port are available`, async () => (await devices(cloud, 'class=net&kind=vf&state=available')).length === each * SHAPE.pfs);

/** The agent's writes alone, each verified as it verifies them: ports up, VFs made, every VF bound. */
async function bare() {
  const { FakeKernel, FakePci, fleetShape } = await import(pathToFileURL(join(root, 'dist/libs/pci/index.js')).href);
  const pci = new FakePci(new FakeKernel(fleetShape(SHAPE)));
  const ports = [...(await pci.read()).functions.values()].filter(({ sriov }) => sriov !== null).map(({ address }) => address);
  const times = [];
  for (let n = 0; n < ROUNDS; n += 1) {
    for (const port of ports) await pci.setNumVfs(port, 0, { autoprobe: false });
    const began = now();
    for (const port of ports) {
      await pci.linkUp(port);
      await pci.setNumVfs(port, SHAPE.vfsPerPf, { autoprobe: false });
    }
    for (const { address, physfn } of (await pci.read()).functions.values()) if (physfn !== null) await pci.bind(address, 'vfio-pci');
    times.push(now() - began);
  }
  return figures(times);
}

const figures = (times) => { const { n, wall_ms: took } = clock(times); return { n, ...took }; };

async function until(what, test) {
  const end = now() + MOST_MS;
  while (!(await test())) {
    if (now() > end) throw new Error(`${what}: not in time`);
    await pause(EVERY_MS);
  }
}
