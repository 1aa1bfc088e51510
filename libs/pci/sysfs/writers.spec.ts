import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { parsePciAddress } from '../address.js';
import { errnoOf, runChild, type ChildEnd, type RunChild } from './child.js';
import { LockedReads } from './locked-reads.js';
import { SysfsKernel } from './sysfs-kernel.js';
import { SysfsPci } from './sysfs-pci.js';

// Processes are started, on whatever machine this is.
jest.setTimeout(60_000);

const CARD = parsePciAddress('0000:03:00.0');

/** Like the real one, but for a child that the kernel does not let die. */
const unkillable: RunChild = async (run) => {
  if (run.argv[0] !== 'flock') return await runChild(run);
  const [command, ...args] = run.argv;
  const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'ignore'] });
  run.started?.(child.pid ?? 0);
  child.stdin.on('error', () => undefined);
  child.stdin.end(run.stdin ?? '');
  const closed = new Promise<void>((resolve) => { child.once('close', () => { resolve(); }); });
  const late = new Promise<ChildEnd>((resolve) => { setTimeout(() => { resolve({ kind: 'late', pid: child.pid ?? 0, stdout: Buffer.alloc(0), ended: closed }); }, run.deadlineMs); });
  return await Promise.race([late, closed.then((): ChildEnd => ({ kind: 'exit', code: child.exitCode, stdout: Buffer.alloc(0), stderr: '' }))]);
};

async function until<T>(look: () => Promise<T>, is: (found: T) => boolean): Promise<T> {
  for (;;) {
    const found = await look();
    if (is(found)) return found;
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
}

describe('writers', () => {
  let dir: string;
  let device: string;
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  };
  const host = (run?: RunChild, deadlineMs = 30_000): SysfsPci => new SysfsPci({ root: join(dir, 'sys'), runDir: join(dir, 'run'), deadlineMs, ...(run === undefined ? {} : { run }) });

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'skylite-pci-'));
    device = 'sys/devices/pci0000:00/0000:00:01.0/0000:03:00.0';
    put(`${device}/modalias`, 'pci:v00001234d00001111sv00001AF4sd00001100bc03sc80i00\n');
    put(`${device}/reset_method`, 'flr\n');
    put(`${device}/driver_override`, '(null)\n');
    mkdirSync(join(dir, 'sys/bus/pci/devices'), { recursive: true });
    symlinkSync(`../../../devices/pci0000:00/0000:00:01.0/${CARD}`, join(dir, 'sys/bus/pci/devices', CARD));
  });
  afterEach(() => { rmSync(dir, { recursive: true, force: true }); });

  it('write, and look whether it is so', async () => {
    put(`${device}/reset`, '-----');
    await host().reset(CARD);
    expect(readFileSync(join(dir, device, 'reset'), 'utf8')).toBe('1----');
    put('sys/bus/pci/drivers_probe', '');
    // A folder of files binds nothing: that is found out.
    await expect(host().bind(CARD, 'vfio-pci')).rejects.toMatchObject({ code: 'not-verified' });
    expect(readFileSync(join(dir, device, 'driver_override'), 'utf8')).toBe('vfio-pci\n');
    expect(readFileSync(join(dir, 'sys/bus/pci/drivers_probe'), 'utf8')).toBe(CARD);
  });

  it('make no file that is not there, and tell the errno', async () => {
    await expect(host().reset(CARD)).rejects.toMatchObject({ code: 'unsupported', errno: 'ENOENT' });
    await expect(host().bind(CARD, 'vfio-pci')).rejects.toMatchObject({ errno: 'ENOENT' });
  });

  it('are given up at their deadline, and hold the function for every agent until they are gone', async () => {
    execFileSync('mkfifo', [join(dir, device, 'reset')]);
    await expect(host(unkillable, 300).reset(CARD)).rejects.toMatchObject({ code: 'deadline' });
    const again = host();
    expect((await again.read()).held).toMatchObject([{ address: CARD, what: `Resetting ${CARD}`, bootId: again.bootId }]);
    await expect(again.reset(CARD)).rejects.toMatchObject({ code: 'held' });
    // Without its record (its agent died before writing it), the lock itself tells.
    writeFileSync(join(dir, 'run', `${CARD}.lock`), '');
    const unrecorded = await until(async () => (await again.read()).held, (held) => held.length > 0);
    expect(unrecorded).toMatchObject([{ address: CARD, what: 'A writer of an earlier agent' }]);
    const reader = await open(join(dir, device, 'reset'), 'r');
    expect((await reader.read(Buffer.alloc(8), 0, 8)).bytesRead).toBe(1);
    await reader.close();
    await until(async () => (await again.read()).held, (held) => held.length === 0);
  });

  it('leave the record of one that hangs as it is, when they find its lock taken', async () => {
    execFileSync('mkfifo', [join(dir, device, 'reset')]);
    const kernel = (run: RunChild, deadlineMs: number) => new SysfsKernel({ root: join(dir, 'sys'), runDir: join(dir, 'run'), deadlineMs, run });
    expect(await kernel(unkillable, 300).write({ op: 'reset', address: CARD }, CARD)).toMatchObject({ kind: 'left' });
    // It does not ask before, as another agent that began at the same time.
    const another = kernel(runChild, 30_000);
    expect(await another.write({ op: 'override', address: CARD, driver: 'vfio-pci' }, CARD)).toEqual({ kind: 'locked' });
    expect(await another.held()).toMatchObject([{ address: CARD, what: `Resetting ${CARD}` }]);
    const reader = await open(join(dir, device, 'reset'), 'r');
    await reader.read(Buffer.alloc(8), 0, 8);
    await reader.close();
    await until(async () => await another.held(), (held) => held.length === 0);
  });

  it('do nothing to a function whose override can not be read, as it is not known to be none', async () => {
    const deaf: RunChild = async (run) => (run.argv[0] === 'grep' ? await Promise.resolve({ kind: 'late', pid: 1, stdout: Buffer.alloc(0), ended: Promise.resolve() }) : await runChild(run));
    await expect(host(deaf).bind(CARD, null)).rejects.toMatchObject({ code: 'not-verified', message: expect.stringContaining('could not be read') });
    await expect(host(deaf).bind(CARD, 'vfio-pci')).rejects.toMatchObject({ code: 'not-verified', message: expect.stringContaining('could not be read') });
    expect(readFileSync(join(dir, device, 'driver_override'), 'utf8')).toBe('(null)\n');
  });

  it('are killed when the kernel lets them, and then hold nothing', async () => {
    execFileSync('mkfifo', [join(dir, device, 'reset')]);
    const pci = host(runChild, 300);
    await expect(pci.reset(CARD)).rejects.toMatchObject({ code: 'deadline' });
    await until(async () => (await pci.read()).held, (held) => held.length === 0);
  });

  it('of another boot are no longer alive', async () => {
    put(`run/${CARD}.lock`, JSON.stringify({ pid: process.pid, startTime: '1', bootId: 'another', what: 'x', sinceMs: 1 }));
    expect((await host().read()).held).toEqual([]);
  });

  it('wait for one another', async () => {
    put(`${device}/reset`, '');
    const pci = host();
    await Promise.all([pci.reset(CARD), pci.reset(CARD), pci.reset(CARD)]);
  });

  it('tell errnos from messages', () => {
    expect(errnoOf("dd: error writing '/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs': Numerical result out of range")).toBe('ERANGE');
    expect(errnoOf("dd: error writing 'x': Device or resource busy")).toBe('EBUSY');
    expect(errnoOf("dd: error writing 'x': No such device")).toBe('ENODEV');
    expect(errnoOf('RTNETLINK answers: Operation not supported')).toBe('EOPNOTSUPP');
    expect(errnoOf('Cannot find device "enp9s0"')).toBe('ENODEV');
    expect(errnoOf('Error: argument "5000" is wrong: Invalid "vlan" value')).toBe('EINVAL');
    expect(errnoOf('something else')).toBeNull();
  });
});

describe('what needs a device\'s lock', () => {
  const third = parsePciAddress('0000:05:00.0');

  it('is known of all that were read before one hangs, and is asked for again only of those that had no turn', async () => {
    const config = Buffer.alloc(4_096);
    config.writeUInt32LE(0x1_0003, 0x100);
    config.writeUInt32LE(0x4711, 0x104);
    const dir = mkdtempSync(join(tmpdir(), 'skylite-pci-'));
    const other = parsePciAddress('0000:04:00.0');
    const late = (text: string): RunChild => async () => await Promise.resolve({ kind: 'late', pid: 1, stdout: Buffer.from(text), ended: new Promise(() => undefined) });
    const serials = await new LockedReads(dir, late(`${CARD} ${config.toString('base64')} \n${other} AAA`)).serials([CARD, other, third]);
    expect([...serials]).toEqual([[CARD, '00-00-00-00-00-00-47-11'], [other, undefined]]);
    const path = (address: string): string => join(dir, 'bus/pci/devices', address, 'driver_override');
    expect([...await new LockedReads(dir, late(`${path(CARD)}:vfio-pci\n${path(other)}:(nu`)).overrides([CARD, other, third])]).toEqual([[CARD, 'vfio-pci']]);
    rmSync(dir, { recursive: true, force: true });
  });

  it('is unknown while its reader hangs, and nothing waits for it twice', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'skylite-pci-'));
    const asked: string[] = [];
    let free: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => { free = resolve; });
    const reads = new LockedReads(dir, async (run) => await Promise.resolve(asked.push(run.argv.at(-1) ?? '') > 2 ? { kind: 'exit', code: 0, stdout: Buffer.from(`${run.argv.at(-1) ?? ''}:vfio-pci\n`), stderr: '' } : { kind: 'late', pid: 1, stdout: Buffer.alloc(0), ended }));
    const other = parsePciAddress('0000:04:00.0');
    expect(await reads.overrides([CARD, other])).toEqual(new Map());
    expect(await reads.overrides([CARD, other])).toEqual(new Map());
    expect(await reads.overrides([other])).toEqual(new Map());
    expect(asked).toHaveLength(2);
    expect(await reads.overrides([CARD])).toEqual(new Map([[CARD, 'vfio-pci']]));
    free();
    await ended;
    await Promise.resolve();
    expect(await reads.overrides([CARD, other])).toEqual(new Map([[other, 'vfio-pci']]));
    rmSync(dir, { recursive: true, force: true });
  });
});
