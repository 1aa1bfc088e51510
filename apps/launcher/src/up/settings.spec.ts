import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Home } from './home.js';
import { parseUpOptions } from './options.js';
import { oneLine } from './progress.js';
import { resolveSettings } from './settings.js';
import { placementEnv } from './specs.js';

describe("up's settings", () => {
  let home: Home;
  beforeEach(() => { home = new Home(join(mkdtempSync(join(tmpdir(), 'skylite-settings-')), 'home')); home.make(); });
  afterEach(() => rmSync(join(home.dir, '..'), { recursive: true, force: true }));

  const up = async (...words: string[]): Promise<string> => {
    const settings = await resolveSettings(home, parseUpOptions(words));
    home.writeSettings(settings);
    return `${settings.hosts.map((host) => (host.local ? `local ${host.libvirt}` : host.name)).join(', ')}; fleet ${settings.fleet}; port ${settings.port}`;
  };

  it('keeps what the last up was told, and adds', async () => {
    expect(await up('--port', '9000')).toBe('local own; fleet 0; port 9000');
    expect(await up('--hosts', '2', '--fleet', '3')).toBe('local own, host-1, host-2; fleet 3; port 9000');
    expect(await up('--hosts', '1')).toBe('local own, host-1, host-2; fleet 3; port 9000');
    expect(await up('--libvirt', 'own')).toBe('local own, host-1, host-2; fleet 3; port 9000');
  });

  it('remembers that there is no local host', async () => {
    expect(await up('--no-local-host', '--fleet', '5')).toBe('; fleet 5; port 8780');
    expect(await up()).toBe('; fleet 5; port 8780');
  });

  it('remembers CPU sets and huge pages, and takes other ones', async () => {
    const env = () => placementEnv(home.readSettings()?.placement ?? {}, 3);
    await up();
    expect(env()).toEqual({ SKYLITE_SHARE_VCPUS: '3' });
    await up('--cpu-dedicated', '0', '--huge-pages', '0:2M:64');
    await up('--hosts', '1');
    expect(env()).toEqual({ SKYLITE_CPU_DEDICATED: '0', SKYLITE_SHARE_HUGE_PAGES: '0:2M:64' });
    await expect(up('--cpu-shared', '0')).rejects.toThrow(/--cpu-shared and --cpu-dedicated both name CPU 0/);
    await expect(up('--cpu-shared', '4000')).rejects.toThrow(/this machine has no CPU 4000/);
    await expect(up('--cpu-dedicated', 'x')).rejects.toThrow(/--cpu-dedicated x: "x" is neither a CPU nor a range/);
    await up('--cpu-dedicated', 'none', '--cpu-shared', '0');
    expect(env()).toEqual({ SKYLITE_CPU_SHARED: '0', SKYLITE_SHARE_HUGE_PAGES: '0:2M:64' });
  });

  it.each([
    [[], ['--no-local-host'], /--no-local-host comes too late/], [[], ['--libvirt', 'system'], /has a libvirt of its own since/],
    [['--no-local-host', '--fleet', '1'], ['--hosts', '1'], /simulated hosts only/], [['--no-local-host', '--hosts', '1'], ['--libvirt', 'own'], /without a local host/],
  ])('after %j refuses %j, and changes nothing', async (first, then, why) => {
    const before = await up(...first);
    await expect(up(...then)).rejects.toThrow(why);
    expect(await up()).toBe(before);
  });

  it('refuses to be without a host, and leaves nothing', async () => {
    await expect(up('--no-local-host')).rejects.toThrow(/no host at all/);
    expect(home.exists).toBe(false);
  });

  it('says of a long failure the line that says why', () => {
    expect(oneLine('Command failed: a long command\nFATAL: could not write: No space left on device.\nmore')).toBe('FATAL: could not write: No space left on device');
    expect(oneLine('\n first line\nsecond')).toBe('first line');
  });

  it('refuses a home that cannot be made in words of its own', () => {
    expect(() => new Home('/proc/nope/home').make()).toThrow(/cannot be made/);
    expect(() => new Home('/etc/passwd/home').make()).toThrow(/cannot be made/);
  });
});
