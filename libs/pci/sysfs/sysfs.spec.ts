import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parsePciAddress } from '../address.js';
import { identify } from '../decide/identity.js';
import { fixtureTree, renumbered } from '../fixtures/tree.js';
import { runChild, type RunChild } from './child.js';
import { SysfsPci } from './sysfs-pci.js';

const PF = parsePciAddress('0000:01:00.0');
const VF1 = parsePciAddress('0000:01:10.2');

// Hundreds of small files, on whatever disk there is.
jest.setTimeout(60_000);

describe('the recorded sysfs', () => {
  let tree: ReturnType<typeof fixtureTree>;
  let dir: string;
  const run: RunChild = async (asked) => asked.argv[0] === 'ip'
    ? await Promise.resolve({ kind: 'exit', code: 0, stdout: Buffer.from(tree.ipLink), stderr: '' }) : await runChild(asked);
  const hostAt = (root: string): SysfsPci => new SysfsPci({ root, procRoot: join(dir, 'proc'), runDir: join(dir, 'run'), run });

  beforeAll(() => {
    tree = fixtureTree();
    dir = mkdtempSync(join(tmpdir(), 'skylite-pci-'));
    put('proc/sys/kernel/random/boot_id', 'b-1\n');
  });
  afterAll(() => {
    tree.remove();
    rmSync(dir, { recursive: true, force: true });
  });
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  };

  it('shows PFs, VFs by their links, groups, nodes and drivers', async () => {
    const { functions, groups, held } = await hostAt(tree.root).read();
    expect(functions.get(PF)).toMatchObject({
      vendor: '8086', product: '10c9', pciClass: '020000', driver: 'igb', driverOverride: null, numaNode: null, isBridge: false, resetMethods: expect.arrayContaining(['flr']),
      sriov: { totalVfs: 7, numVfs: 4, autoprobe: true }, networks: [{ name: 'enp1s0', mac: '52:54:00:aa:00:01', permanentMac: '52:54:00:aa:00:01', isUp: false, link: 'up' }],
    });
    expect(functions.get(VF1)).toMatchObject({ product: '10ca', physfn: { address: PF, index: 1 } });
    expect(functions.get(parsePciAddress('0000:41:00.0'))).toMatchObject({ numaNode: 1, path: ['0000:40:00.0'] });
    expect([...functions.values()].filter((one) => one.driver === 'vfio-pci').map((one) => one.driverOverride)).toEqual(['vfio-pci']);
    const shared = functions.get(parsePciAddress('0000:05:01.0'))?.iommuGroup ?? -1;
    expect(groups.get(shared)).toEqual(['0000:00:1c.0', '0000:04:00.0', '0000:05:01.0', '0000:05:02.0'].filter((each) => groups.get(shared)?.includes(parsePciAddress(each))));
    expect(groups.get(shared)).toContain(parsePciAddress('0000:05:02.0'));
    expect(held).toEqual([]);
  });

  it('reads the VFs of a PF from ip', async () => {
    const vfs = await hostAt(tree.root).vfSettings(PF);
    expect(vfs).toHaveLength(4);
    expect(vfs[1]).toEqual({ index: 1, mac: '4a:cd:b0:e1:24:33', vlan: 0, qos: 0, spoofCheck: true, trust: false, minTxMbps: 0, maxTxMbps: 0 });
  });

  it('finds every device again on a bus that is numbered anew', async () => {
    const before = await hostAt(tree.root).read();
    const root = join(dir, 'renumbered');
    renumbered(tree.root, root);
    const after = await hostAt(root).read();
    const first = identify(before.functions, 'b-1', null);
    const second = identify(after.functions, 'b-2', first.memory);
    const byIdentity = new Map([...second.devices].map(([address, one]) => [one.identity, address]));
    expect(first.devices.get(VF1)).toEqual({ identity: 'mac:52:54:00:aa:00:01/vf:1', strength: 'strong', doubt: null });
    expect(byIdentity.get('mac:52:54:00:aa:00:01/vf:1')).toBe('0000:02:10.2');
    expect([...byIdentity.keys()].sort()).toEqual([...first.devices.values()].map((one) => one.identity).sort());
  });

  it('reads the serial numbers that cards have, once', async () => {
    const config = Buffer.alloc(4_096);
    config.writeUInt32LE(0x1_0003, 0x100);
    config.writeUInt32LE(0x4711, 0x104);
    writeFileSync(join(tree.root, 'bus/pci/devices', PF, 'config'), config);
    const host = hostAt(tree.root);
    const serial = async (): Promise<string | null | undefined> => (await host.read()).functions.get(PF)?.serial;
    expect(await serial()).toBe('00-00-00-00-00-00-47-11');
    rmSync(join(tree.root, 'bus/pci/devices', PF, 'config'));
    expect(await serial()).toBe('00-00-00-00-00-00-47-11');
  });

  it('sees every interface, also one that is renamed during the look', async () => {
    const net = join(tree.root, 'class/net');
    const [own] = readdirSync(join(tree.root, 'bus/pci/devices', PF, 'net'));
    const at = (name: string): string => join(net, name);
    const [link, folder] = [readlinkSync(at(own!)), realpathSync(at(own!))];
    let [name, to] = [own!, 'eth7'];
    const rename = (): void => {
      symlinkSync(join(dirname(link), to), at(to));
      renameSync(join(dirname(folder), name), join(dirname(folder), to));
      rmSync(at(name));
      [name, to] = [to, name];
    };
    const missed: number[] = [];
    for (let turns = 0; turns < 240; turns += 1) {
      const reading = hostAt(tree.root).read();
      // Each time a little later in the look, up to its end.
      for (let turn = 0; turn < turns / 4; turn += 1) await new Promise((resolve) => { setImmediate(resolve); });
      rename();
      const { functions } = await reading;
      if (functions.get(PF)?.networks[0]?.mac !== '52:54:00:aa:00:01') missed.push(turns);
    }
    if (name !== own) rename();
    expect(missed).toEqual([]);
  });

  it('reads no carrier, for which a thread would wait as long as anybody has the network\'s lock', async () => {
    const carriers = [['0000:01:00.0', 'enp1s0'], ['0000:41:00.0', 'enp65s0']].map(([address = '', name = '']) => join(tree.root, 'bus/pci/devices', address, 'net', name, 'carrier'));
    for (const file of carriers) {
      rmSync(file);
      execFileSync('mkfifo', [file]);
    }
    const reading = hostAt(tree.root).read();
    const late = new Promise<null>((resolve) => { setTimeout(() => { resolve(null); }, 5_000).unref(); });
    const first = await Promise.race([reading, late]);
    for (const file of carriers) {
      const freed = openSync(file, 'r+');
      writeSync(freed, '1\n');
      await new Promise((resolve) => { setTimeout(resolve, first === null ? 200 : 0); });
      closeSync(freed);
      rmSync(file);
      writeFileSync(file, '1\n');
    }
    expect(first?.functions.get(PF)?.networks[0]?.link).toBe('up');
  });

  it('has no MAC of interfaces whose addresses are none (InfiniBand, CAN), which are seen and protected like others', async () => {
    const file = join(tree.root, 'bus/pci/devices', PF, 'net/enp1s0/address');
    const own = readFileSync(file, 'latin1');
    put('proc/net/route', 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\nenp1s0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\n');
    for (const address of ['80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:0a:0b:0c\n', '\n']) {
      writeFileSync(file, address);
      const host = hostAt(tree.root);
      const { functions } = await host.read();
      expect(functions.get(PF)?.networks).toMatchObject([{ name: 'enp1s0', mac: null, permanentMac: null, link: 'up' }]);
      expect(identify(functions, 'b-1', null).devices.get(PF)?.identity).toMatch(/^slot:/);
      expect((await host.protectedFunctions()).get(PF)).toBe('default-route: enp1s0');
    }
    writeFileSync(file, own);
  });

  it('does not take a card for one without a serial that never had its turn behind one that hangs', async () => {
    const config = Buffer.alloc(4_096);
    config.writeUInt32LE(0x1_0003, 0x100);
    config.writeUInt32LE(0x4711, 0x104);
    writeFileSync(join(tree.root, 'bus/pci/devices', PF, 'config'), config);
    let hangs = 0;
    const late: RunChild = async (asked) => asked.argv[0] === 'sh' && (hangs += 1) <= 4
      ? await Promise.resolve({ kind: 'late', pid: 1, stdout: Buffer.from('0000:00:03.0 '), ended: Promise.resolve() }) : await run(asked);
    const host = new SysfsPci({ root: tree.root, procRoot: join(dir, 'proc'), runDir: join(dir, 'run'), run: late });
    for (let look = 0; look < 4; look += 1) expect((await host.read()).functions.get(PF)?.serial).toBeNull();
    expect((await host.read()).functions.get(PF)?.serial).toBe('00-00-00-00-00-00-47-11');
    rmSync(join(tree.root, 'bus/pci/devices', PF, 'config'));
  });

  it('refuses what the host lives on', async () => {
    put('proc/net/route', 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\nenp65s0v1\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\n');
    expect(Object.fromEntries(await hostAt(tree.root).protectedFunctions())).toEqual({
      '0000:40:00.0': 'default-route: enp65s0v1', '0000:41:10.2': 'default-route: enp65s0v1', '0000:41:00.0': 'default-route: enp65s0v1',
    });
  });
});
