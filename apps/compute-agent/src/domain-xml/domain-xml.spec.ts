import { describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { devicesIn, layoutKey, layoutProblem, type HostCpus } from '../decide/layout.js';
import type { PciAddress } from '#libs/pci';
import { claimedDevice, vf } from '../testing/device-builders.js';
import { CLOUD_ID, desired, FROZEN, layout, layoutCell } from '../testing/builders.js';
import { guestAddress } from './guest-slots.js';
import { hasBusOf, hostDevicesIn, hostDeviceXml, withoutOwnDevices } from './host-devices.js';
import { displayText, el, escapeXml, renderXml } from './node.js';
import { notesText, readNotes, withNotedDevices, withRebootCount } from './notes.js';
import { findXml, readXml } from './read-xml.js';
import { rememberedIn } from './remembered.js';
import { domainName, renderDomain } from './render.js';
import type { DomainSpec } from './spec.js';

const GOLDEN = join(dirname(fileURLToPath(import.meta.url)), 'golden');
const FILES = { base: '/var/lib/skylite/images/abab', disk: '/var/lib/skylite/instances/0c1d/disk.qcow2', configDrive: '/var/lib/skylite/instances/0c1d/config.iso', serialLog: '/var/lib/skylite/instances/0c1d/serial.log' };
const HOST: HostCpus = { shared: null, dedicated: [], cells: [] };
const spec = (change: Partial<DomainSpec> = {}): DomainSpec => ({ cloudId: CLOUD_ID, epoch: 1, rebootCount: 0, desired: desired(), frozen: FROZEN, host: HOST, files: FILES, ...change });

/** Two cells of four CPUs; in each the first is shared and the last two are dedicated. */
const SPLIT: HostCpus = { shared: [0, 4], dedicated: [2, 3, 6, 7], cells: [{ id: 0, cpus: [0, 1, 2, 3] }, { id: 1, cpus: [4, 5, 6, 7] }] };
const placed = (shape: { vcpus: number; memoryMib: number }, claimed: Parameters<typeof layout>[0]): DomainSpec => spec({ host: SPLIT, desired: desired({ ...shape, layout: layout(claimed) }) });

/** As many as need a bridge of their own: an interface, a device with a VLAN that the agent sets, and plain ones. */
const CLAIMED = Array.from({ length: 17 }, (_, index) => claimedDevice(vf(index), 2, index === 0 ? { attach: 'interface', mac: 'fa:16:3e:00:00:01', vlan: 42, tag: 'fast' } : {}));
const WITH_DEVICES: Partial<DomainSpec> = {
  desired: desired({ vcpus: 2, layout: layout({ devices: CLAIMED }) }),
  devices: CLAIMED.map((claimed, index) => ({ claimed: { ...claimed, place: index }, address: `0000:41:1${index >> 3}.${index & 7}` as PciAddress })),
};

const KVM = { ...FROZEN, virtType: 'kvm', cpuModel: 'Skylake-Client-IBRS', cpuFeatures: '+ss,+vmx,-hle,-rtm' };
const GOLDENS: Record<string, DomainSpec> = {
  'emulated': spec(),
  'kvm': spec({ frozen: KVM, desired: desired({ vcpus: 4, memoryMib: 4096, diskGib: 20 }) }),
  'no-direct-io': spec({ frozen: { ...FROZEN, diskCache: 'writeback' } }),
  // Defined by earlier versions: as they were then; the first had no screen.
  'second-render-version': spec({ frozen: { ...FROZEN, renderVersion: 2 } }),
  'first-render-version': spec({ frozen: { ...FROZEN, renderVersion: 1 } }),
  'floating-on-shared-cpus': spec({ host: SPLIT, desired: desired({ vcpus: 2 }) }),
  'floating-with-topology': placed({ vcpus: 4, memoryMib: 512 }, { guestTopology: { sockets: 1, cores: 2, threads: 2 } }),
  'pinned': placed({ vcpus: 2, memoryMib: 512 }, { cells: [layoutCell({ memoryMib: 512, pins: [[0, 3], [1, 2]] })] }),
  'pinned-emulator-isolated': placed({ vcpus: 2, memoryMib: 512 }, { cells: [layoutCell({ hostCell: 1, memoryMib: 512, pins: [[0, 6], [1, 7]] })], emulatorCpu: 2, emulatorThreads: 'isolate' }),
  'pinned-emulator-shared': placed({ vcpus: 2, memoryMib: 512 }, { cells: [layoutCell({ memoryMib: 512, pins: [[0, 2], [1, 3]] })], emulatorThreads: 'share', guestTopology: { sockets: 1, cores: 1, threads: 2 } }),
  'mixed': placed({ vcpus: 3, memoryMib: 512 }, { cells: [layoutCell({ hostCell: 1, memoryMib: 512, pins: [[1, 6], [2, 7]], floating: [0] })] }),
  'two-cells': placed({ vcpus: 4, memoryMib: 3_072 }, { numa: true, cells: [layoutCell({ hostCell: 1, memoryMib: 1_024, pageKib: 2_048, floating: [0, 1] }), layoutCell({ memoryMib: 2_048, pageKib: 1_048_576, floating: [2, 3] })] }),
  'two-pinned-cells-of-small-pages': placed({ vcpus: 3, memoryMib: 768 }, { numa: true, cells: [layoutCell({ memoryMib: 512, pins: [[0, 2], [2, 3]] }), layoutCell({ hostCell: 1, memoryMib: 256, pins: [[1, 6]] })] }),
  'huge-pages-without-cells': placed({ vcpus: 1, memoryMib: 512 }, { cells: [layoutCell({ memoryMib: 512, pageKib: 2_048, floating: [0] })] }),
  'real-time': placed({ vcpus: 3, memoryMib: 512 }, { cells: [layoutCell({ hostCell: 1, memoryMib: 512, pins: [[1, 6], [2, 7]], floating: [0] })], realtime: [1, 2] }),
  'real-time-of-huge-pages-emulator-isolated': placed({ vcpus: 1, memoryMib: 512 }, { cells: [layoutCell({ memoryMib: 512, pageKib: 2_048, pins: [[0, 2]] })], emulatorCpu: 3, emulatorThreads: 'isolate', realtime: [0] }),
  // What a guest does not see does not depend on the version it was first defined by.
  'resized-to-pinned-from-second-version': { ...placed({ vcpus: 1, memoryMib: 512 }, { cells: [layoutCell({ memoryMib: 512, pins: [[0, 2]] })] }), frozen: { ...FROZEN, renderVersion: 2 } },
  'devices-of-the-host': spec({ ...WITH_DEVICES, host: SPLIT }),
  'awkward-name': spec({ rebootCount: 3, epoch: 7, desired: desired({ name: `<&"'>\n\u0001 größe ]]>`, generation: 9 }), files: { ...FILES, disk: "/var/lib/sky'lite & co/<disk>.qcow2" } }),
};

describe('renderDomain', () => {
  for (const [name, given] of Object.entries(GOLDENS)) {
    it(`renders ${name} as its golden file`, () => {
      const path = join(GOLDEN, `${name}.golden.xml`);
      const xml = renderDomain(given);
      // A new golden is written once and then reviewed; a changed one is removed by hand first.
      if (!existsSync(path)) writeFileSync(path, xml);
      expect(xml).toBe(readFileSync(path, 'utf8'));
    });
  }

  it('keeps values whole through any text', () => {
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\ufffe', '\uffff', '\u0000', '\ud800')), fc.stringMatching(/^[ -~äöü]{1,40}$/), (name, path) => {
      const root = readXml(renderDomain(spec({ desired: desired({ name }), files: { ...FILES, disk: path } })));
      expect(findXml(root, 'devices', 'disk', 'source')?.attributes['file']).toBe(path);
      expect(findXml(root, 'title')?.text ?? '').toBe(displayText(name));
      const inner = findXml(root, 'metadata')!.children[0]!.children.find((child) => child.name === 'skylite:spec')!;
      expect(JSON.parse(inner.text)).toMatchObject({ name });
    }));
  });

  it('gives every golden layout its whole guest', () => {
    for (const given of Object.values(GOLDENS)) expect(layoutProblem(given.desired, given.host)).toBeNull();
  });

  it('places a device that came later by its own number, and is the same without its devices as one that never had any', () => {
    const came = { claimed: { ...claimedDevice(vf(3), 1), place: 16 }, address: '0000:41:10.3' as PciAddress };
    const xml = renderDomain(spec({ desired: desired({ layout: layout({ devices: [{ ...came.claimed }] }) }), devices: [came] }));
    expect(hostDevicesIn(xml)).toEqual([{ place: 16, address: '0000:41:10.3' }]);
    expect(xml).toContain(hostDeviceXml(came).trim().split('\n').map((line) => `    ${line}`).join('\n'));
    expect([hasBusOf(xml, 16), hasBusOf(renderDomain(spec()), 16), hasBusOf(renderDomain(spec()), 14)]).toEqual([true, false, true]);
    const bare = withoutOwnDevices(renderDomain(spec({ ...WITH_DEVICES, host: SPLIT })));
    expect(hostDevicesIn(bare)).toEqual([]);
    const foreign = "<hostdev mode='subsystem' type='pci'><source><address bus='0x1' slot='0x1' function='0'/></source></hostdev>";
    expect(withoutOwnDevices(`<devices>\n<interface type='network'><alias name='net0'/></interface>${foreign}\n${hostDeviceXml(came)}<x/></devices>`)).toBe(`<devices>\n<interface type='network'><alias name='net0'/></interface>${foreign}\n<x/></devices>`);
  });

  it('reads the host\'s devices back from what it rendered, in their order', () => {
    expect(hostDevicesIn(renderDomain(spec({ ...WITH_DEVICES, host: SPLIT })))).toEqual(WITH_DEVICES.devices!.map(({ address }, place) => ({ place, address })));
    expect(hostDevicesIn(renderDomain(spec()))).toEqual([]);
    expect(hostDevicesIn("<domain><devices><hostdev mode='subsystem' type='usb'><source><vendor id='1'/></source></hostdev><hostdev mode='subsystem' type='pci'><source><address bus='0x1' slot='0x1f' domain='0' function='7'/></source></hostdev></devices></domain>")).toEqual([{ place: null, address: '0000:01:1f.7' }]);
  });
  it('gives each device a place of its own on the guest\'s bus, the same for ever', () => {
    const places = Array.from({ length: 64 }, (_, at) => guestAddress(at));
    expect(new Set(places).size).toBe(64);
    expect([places[0], places[14], places[15], places[45], places[46]]).toEqual(['0000:00:10.0', '0000:00:1e.0', '0000:01:01.0', '0000:01:1f.0', '0000:02:01.0']);
  });
  it('names a domain by its id', () => {
    expect(domainName('0c1d2e3f-4a5b-4c6d-8e7f-001122334455')).toBe('instance-0c1d2e3f-4a5b-4c6d-8e7f-001122334455');
  });
});

describe('notes', () => {
  it('are read back from a definition, with and without prefixes', () => {
    const root = renderDomain(spec({ rebootCount: 3, desired: desired({ generation: 9 }) }));
    const inner = /<skylite:instance[\s\S]*<\/skylite:instance>/.exec(root)![0];
    const want = { cloudId: CLOUD_ID, generation: 9, specGeneration: 1, diskGeneration: 1, rebootCount: 3, sharedCpus: '', frozen: FROZEN, shape: { vcpus: 1, memoryMib: 128, diskGib: 1, layout: null }, devices: [] };
    expect(readNotes(inner)).toEqual(want);
    expect(readNotes(withRebootCount(inner, 4))).toEqual({ ...want, rebootCount: 4 });
    expect(readNotes(withRebootCount(withRebootCount(inner, 4), 5))).toEqual({ ...want, rebootCount: 5 });
    expect(withRebootCount(inner, 4)).not.toContain('skylite:');
    expect(JSON.parse(findXml(readXml(withRebootCount(inner, 4)), 'spec')!.text)).toMatchObject({ id: desired().id });
  });
  it('name the devices that the domain may have, and take others without any other change', () => {
    const one = claimedDevice(vf(0), 1);
    const two = { ...claimedDevice(vf(1), 4), place: 3, attachment: '99999999-9999-4999-8999-999999999999' };
    const inner = (given: ReturnType<typeof desired>): string => /<skylite:instance[\s\S]*<\/skylite:instance>/.exec(renderDomain(spec({ desired: given })))![0];
    const before = inner(desired({ layout: layout({ devices: [one], numa: false }) }));
    expect(readNotes(before)?.devices).toEqual([{ ...one, place: 0 }]);
    const after = withNotedDevices(before, null, [{ ...one, place: 0 }, two]);
    expect(readNotes(after)).toEqual({ ...readNotes(before), devices: [{ ...one, place: 0 }, two], shape: { ...readNotes(before)!.shape, layout: layoutKey(layout({ devices: [{ ...one, place: 0 }, two] })) } });
    expect(readNotes(withNotedDevices(after, null, []))).toMatchObject({ devices: [], shape: { layout: null } });
    // A guest that had no layout: what it is like beside its devices is the wish's.
    const given = layout({ devices: [two] });
    expect(readNotes(withNotedDevices(inner(desired()), given, [two]))).toMatchObject({ devices: [two], shape: { layout: layoutKey(given) } });
    expect(readNotes(withNotedDevices(inner(desired()), null, devicesIn(given)))?.shape?.layout).toBe(layoutKey(given));
  });
  it('that are not ours are none', () => {
    for (const text of ['', '<x/>', '<instance/>', '<instance cloud="a" generation="x"/>', 'instance']) expect(readNotes(text)).toBeNull();
  });
  it('do not carry the config drive, nor the key of a transfer', () => {
    const diskFrom = { transferId: '55555555-5555-4555-8555-555555555555', key: 'top-secret' };
    expect(renderDomain(spec({ desired: desired({ diskFrom, configDrive: { 'openstack/latest/user_data': 'top-secret' } }) }))).not.toContain('top-secret');
  });
  it('tell the layout, so that a host without its ledger knows what it built', () => {
    const pinned = layout({ cells: [layoutCell({ pins: [[0, 2]] })] });
    expect(readNotes(notesText(spec({ desired: desired({ layout: pinned }) })))).toMatchObject({ shape: { layout: layoutKey(pinned) } });
    expect(rememberedIn(renderDomain(spec({ host: SPLIT, desired: desired({ layout: pinned }) })))?.layout).toEqual(pinned);
    expect(rememberedIn(renderDomain(spec()))?.layout).toBeNull();
    const inner = /<skylite:instance[\s\S]*<\/skylite:instance>/.exec(renderDomain(spec({ host: SPLIT })))![0];
    expect(readNotes(withRebootCount(inner, 4))).toMatchObject({ sharedCpus: '0,4', rebootCount: 4 });
  });
  it('of before disks had generations are those of the first disk', () => {
    const old = notesText(spec({ desired: desired({ diskGeneration: 7 }) })).replace(" diskGeneration='7'", '');
    expect(readNotes(old)).toMatchObject({ diskGeneration: 1, shape: { vcpus: 1, memoryMib: 128, diskGib: 1 } });
    expect(readNotes(old.replace('vcpus', 'cpus'))).toMatchObject({ shape: null });
  });
});

describe('XML', () => {
  it('escapes and reads back any text it can hold', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => {
      let escaped: string;
      try {
        escaped = escapeXml(text);
      } catch {
        return;
      }
      expect(escaped).not.toMatch(/[<>'"\n\r\t]/);
      expect(readXml(`<a b='${escaped}'>${escaped}</a>`)).toEqual({ name: 'a', attributes: { b: text }, children: [], text });
    }));
  });
  it('refuses what XML cannot hold, and names that are none', () => {
    for (const text of ['\u0000', '\u0008', '\ud800', 'a\udc00', '\ufffe']) expect(() => escapeXml(text)).toThrow(/cannot hold/);
    expect(() => renderXml(el('a b'))).toThrow(/not an XML name/);
    expect(() => renderXml(el('a', { 'b>': 1 }))).toThrow(/not an XML name/);
  });
  it('reads only what is well formed', () => {
    for (const text of ['', 'x', '<a>', '<a></b>', '<a/><b/>', '<a b=c/>', '<a', '<a>x</a>y']) expect(() => readXml(text)).toThrow();
    expect(readXml("<?xml version='1.0'?><!-- x --><a><![CDATA[<&]]></a>\n").text).toBe('<&');
  });
});
