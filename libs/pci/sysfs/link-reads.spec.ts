import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { parsePciAddress } from '../address.js';
import type { ChildEnd, RunChild } from './child.js';
import { SysfsKernel } from './sysfs-kernel.js';

const PF = parsePciAddress('0000:01:00.0');
const dir = mkdtempSync(join(tmpdir(), 'skylite-pci-'));
afterAll(() => { rmSync(dir, { recursive: true, force: true }); });

it('no program is started to read what another one hangs at, until that one has ended', async () => {
  mkdirSync(join(dir, 'proc/sys/kernel/random'), { recursive: true });
  writeFileSync(join(dir, 'proc/sys/kernel/random/boot_id'), 'b\n');
  // An interface whose MAC has been changed, so that its own is asked for; and a reader that never ends.
  const net = join(dir, 'sys/devices/pci0000:00', PF, 'net/eth0');
  mkdirSync(net, { recursive: true });
  mkdirSync(join(dir, 'sys/bus/pci/devices'), { recursive: true });
  symlinkSync(`../../../devices/pci0000:00/${PF}`, join(dir, 'sys/bus/pci/devices', PF));
  for (const [name, text] of [['address', '52:54:00:aa:00:01'], ['operstate', 'up'], ['flags', '0x1003'], ['addr_assign_type', '3']] as const) writeFileSync(join(net, name), `${text}\n`);
  writeFileSync(join(dir, 'sys/bus/pci/devices', PF, 'modalias'), 'pci:v00008086d000010C9sv00001AF4sd00001100bc02sc00i00\n');
  let free: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => { free = resolve; });
  const asked: string[] = [];
  let hangs = true;
  const run: RunChild = async ({ argv }): Promise<ChildEnd> => {
    asked.push(argv.slice(4).join(' '));
    return await Promise.resolve(hangs ? { kind: 'late', pid: 1, stdout: Buffer.alloc(0), ended } : { kind: 'exit', code: 0, stdout: Buffer.from('[{"ifname":"eth0","flags":["UP","LOWER_UP"]}]'), stderr: '' });
  };
  const kernel = new SysfsKernel({ root: join(dir, 'sys'), procRoot: join(dir, 'proc'), runDir: join(dir, 'run'), run });
  const refused = { kind: 'refused', errno: 'ETIMEDOUT' };
  for (let look = 0; look < 3; look += 1) {
    expect([await kernel.vfs(PF, 'eth0'), await kernel.hasCarrier('eth0')]).toMatchObject([refused, null]);
    await kernel.look(PF);
  }
  expect(await kernel.vfs(PF, 'eth1')).toMatchObject(refused);
  expect(asked).toEqual(['dev eth0', '', 'dev eth1']);
  hangs = false;
  free();
  await ended;
  await Promise.resolve();
  expect([await kernel.vfs(PF, 'eth0'), await kernel.hasCarrier('eth0')]).toEqual([[], true]);
});
