import { describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { CLOUD_ID, desired, FROZEN } from '../testing/builders.js';
import { displayText, el, escapeXml, renderXml } from './node.js';
import { notesText, readNotes, withRebootCount } from './notes.js';
import { findXml, readXml } from './read-xml.js';
import { domainName, renderDomain } from './render.js';
import type { DomainSpec } from './spec.js';

const GOLDEN = join(dirname(fileURLToPath(import.meta.url)), 'golden');
const FILES = { base: '/var/lib/skylite/images/abab', disk: '/var/lib/skylite/instances/0c1d/disk.qcow2', configDrive: '/var/lib/skylite/instances/0c1d/config.iso', serialLog: '/var/lib/skylite/instances/0c1d/serial.log' };
const spec = (change: Partial<DomainSpec> = {}): DomainSpec => ({ cloudId: CLOUD_ID, epoch: 1, rebootCount: 0, desired: desired(), frozen: FROZEN, files: FILES, ...change });

const KVM = { ...FROZEN, virtType: 'kvm', cpuModel: 'Skylake-Client-IBRS', cpuFeatures: '+ss,+vmx,-hle,-rtm' };
const GOLDENS: Record<string, DomainSpec> = {
  'emulated': spec(),
  'kvm': spec({ frozen: KVM, desired: desired({ vcpus: 4, memoryMib: 4096, diskGib: 20 }) }),
  'no-direct-io': spec({ frozen: { ...FROZEN, diskCache: 'writeback' } }),
  // Defined by an earlier version: as it was then, without a screen.
  'first-render-version': spec({ frozen: { ...FROZEN, renderVersion: 1 } }),
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

  it('names a domain by its id', () => {
    expect(domainName('0c1d2e3f-4a5b-4c6d-8e7f-001122334455')).toBe('instance-0c1d2e3f-4a5b-4c6d-8e7f-001122334455');
  });
});

describe('notes', () => {
  it('are read back from a definition, with and without prefixes', () => {
    const root = renderDomain(spec({ rebootCount: 3, desired: desired({ generation: 9 }) }));
    const inner = /<skylite:instance[\s\S]*<\/skylite:instance>/.exec(root)![0];
    const want = { cloudId: CLOUD_ID, generation: 9, specGeneration: 1, diskGeneration: 1, rebootCount: 3, frozen: FROZEN, shape: { vcpus: 1, memoryMib: 128, diskGib: 1 } };
    expect(readNotes(inner)).toEqual(want);
    expect(readNotes(withRebootCount(inner, 4))).toEqual({ ...want, rebootCount: 4 });
    expect(readNotes(withRebootCount(withRebootCount(inner, 4), 5))).toEqual({ ...want, rebootCount: 5 });
    expect(withRebootCount(inner, 4)).not.toContain('skylite:');
    expect(JSON.parse(findXml(readXml(withRebootCount(inner, 4)), 'spec')!.text)).toMatchObject({ id: desired().id });
  });
  it('that are not ours are none', () => {
    for (const text of ['', '<x/>', '<instance/>', '<instance cloud="a" generation="x"/>', 'instance']) expect(readNotes(text)).toBeNull();
  });
  it('do not carry the config drive, nor the key of a transfer', () => {
    const diskFrom = { transferId: '55555555-5555-4555-8555-555555555555', key: 'top-secret' };
    expect(renderDomain(spec({ desired: desired({ diskFrom, configDrive: { 'openstack/latest/user_data': 'top-secret' } }) }))).not.toContain('top-secret');
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
