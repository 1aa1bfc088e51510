// Discovery: what it costs an agent to look at a bus of 512 functions, first and later, with the kernel's reader over a tree on disk; and what it
// makes of such a look in memory.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { progress, root } from './cloud.mjs';
import { writeTree } from './device-tree.mjs';
import { look, looks, measured } from './looks.mjs';

const built = (path) => import(pathToFileURL(join(root, 'dist', path)).href);
const decide = (name) => built(`apps/compute-agent/src/devices/decide/${name}.js`);
const FUNCTIONS = 512;
const SHAPE = { pfs: 8, vfsPerPf: 60, gpus: 2, nvmes: 4 };
const TIMES = { first: 7, later: 25 };
const IN_MEMORY = 50;
const POOL = '0ddba11a-0000-4000-8000-00000000d002';
const POLICY = { trust: false, spoofCheck: true, minTxMbps: 0, maxTxMbps: 0, vlans: [], macPrefix: 'fa:16:3e' };

/** @returns milliseconds on the clock and of CPU, per look. The settings of VFs, which `ip` tells of each port in a pool, are not in it. */
export async function discovery() {
  const dir = mkdtempSync(join(tmpdir(), 'skylite-bench-pci-'));
  try {
    progress(`a tree of ${FUNCTIONS} functions`);
    const { SysfsPci } = await built('libs/pci/index.js');
    const { reading, settings, bootId } = await bus();
    const places = writeTree(dir, reading, { bootId, rootDisk: 'sda', routed: 'eno1' });
    progress('looks at it');
    const { pci, first, later } = await looks(() => new SysfsPci(places), TIMES);
    const { seen, protectedBy } = await look(pci);
    if (seen.functions.size !== FUNCTIONS) throw new Error(`${seen.functions.size} functions were read, of ${FUNCTIONS}`);
    for (const [address, { serial, driver, iommuGroup }] of reading.functions) {
      const read = seen.functions.get(address);
      if (read.serial !== serial || read.driver !== driver || read.iommuGroup !== iommuGroup) throw new Error(`${address} was read as ${JSON.stringify(read)}`);
    }
    return { functions: FUNCTIONS, of_it: { ...SHAPE, others: 'their ports, the sound functions of the GPUs, the host\'s own NIC and disk' }, on: 'a tree on disk, as sysfs has it', first_look: first, later_look: later, in_memory: await inMemory(seen, protectedBy, settings, pci.bootId) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** A host of that shape, as its kernel shows it once every VF is made and waits for guests. */
async function bus() {
  const { FakeKernel, FakePci, fleetShape } = await built('libs/pci/index.js');
  const pci = new FakePci(new FakeKernel(fleetShape(SHAPE)));
  const settings = new Map();
  for (const { address, sriov } of (await pci.read()).functions.values()) {
    if (sriov === null) continue;
    await pci.linkUp(address);
    await pci.setNumVfs(address, sriov.totalVfs, { autoprobe: false });
    for (const vf of (await pci.read()).functions.get(address).sriov.vfs) await pci.bind(vf.address, 'vfio-pci');
    settings.set(address, await pci.vfSettings(address));
  }
  return { reading: await pci.read(), settings, bootId: pci.bootId };
}

/** What follows a look: who is who, what is seen, what is learned, what pools and holds want. Nothing of it is left to be done here. */
async function inMemory(reading, protectedBy, settings, bootId) {
  const { identify } = await built('libs/pci/index.js');
  const [{ seenOf }, { learned }, { planPools }, { planHolds }] = [await decide('seen'), await decide('bookkeeping'), await decide('pools'), await decide('holds')];
  const pfs = [...identify(reading.functions, bootId, null).devices.entries()].filter(([address]) => reading.functions.get(address).sriov !== null).map(([, { identity }]) => identity);
  const wishes = { version: '1', holds: [], pools: pfs.map((identity) => ({ poolId: POOL, poolName: 'net', identity, mode: 'vfs', vfs: { count: SHAPE.vfsPerPf, driver: 'vfio-pci', policy: POLICY } })) };
  let records = new Map();
  let memory = null;
  let left = 0;
  const figures = await measured(IN_MEMORY, () => {
    const known = identify(reading.functions, bootId, memory);
    memory = known.memory;
    const facts = { seen: seenOf({ reading, identities: known.devices, protectedBy, uses: [] }), wishes, claims: new Map(), records, mayWrite: true, settings };
    records = new Map([...records, ...learned(facts)]);
    left = planPools(facts).actions.length + planHolds(facts).length;
  });
  return { devices: records.size, ...figures, left_to_do: left };
}
