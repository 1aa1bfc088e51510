import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Needs } from '#libs/contracts';
import { devicesOfFlavor } from './devices.js';
import { needsLayout, readNeeds, whyNotFlavor, whyNotRebuilt } from './read-needs.js';

type Specs = Record<string, string>;
const flavor = (extraSpecs: Specs) => ({ vcpus: 2, ramMib: 512, diskGib: 1, extraSpecs });
const devicesOf = (specs: Specs, image: Specs = {}): unknown => {
  const read = readNeeds(flavor(specs), image);
  return 'problem' in read ? read.problem.split('. What to do: ')[0] : read.needs?.devices;
};
const need = (className: string, count: number, change: object = {}): object => ({ className, count, numaPolicy: null, vlan: null, ...change });
const ALIAS = 'pci_passthrough:alias';
const POLICY = 'hw:pci_numa_affinity_policy';

describe('devices of a flavor', () => {
  it.each<[string, Specs, Specs, unknown]>([
    ['none', {}, {}, undefined],
    ['a policy without devices', { [POLICY]: 'required' }, {}, undefined],
    ['one alias', { [ALIAS]: 'a100:1' }, {}, [need('a100', 1)]],
    ['two, with blanks', { [ALIAS]: ' a100:1 , fast-net: 2 ' }, {}, [need('a100', 1), need('fast-net', 2)]],
    ['with the flavor’s policy', { [ALIAS]: 'a:1', [POLICY]: 'socket' }, {}, [need('a', 1, { numaPolicy: 'socket' })]],
    ['with the image’s policy', { [ALIAS]: 'a:1' }, { hw_pci_numa_affinity_policy: 'preferred' }, [need('a', 1, { numaPolicy: 'preferred' })]],
    ['both say the same', { [ALIAS]: 'a:1', [POLICY]: 'required' }, { hw_pci_numa_affinity_policy: 'required' }, [need('a', 1, { numaPolicy: 'required' })]],
    ['Skylite’s own', { 'device:net': '2,vlan=42,tag=data' }, {}, [need('net', 2, { vlan: 42, tag: 'data' })]],
    ['the image may not overrule', { [ALIAS]: 'a:1', [POLICY]: 'required' }, { hw_pci_numa_affinity_policy: 'legacy' }, "Image property 'hw_pci_numa_affinity_policy' is not permitted to override the 'hw:pci_numa_affinity_policy' flavor extra spec"],
    ['no such policy in the image', { [ALIAS]: 'a:1' }, { hw_pci_numa_affinity_policy: 'near' }, 'Invalid PCI NUMA affinity configured: near'],
    ['no number', { [ALIAS]: 'a' }, {}, "Invalid PCI alias definition: 'a'"],
    ['none of it', { [ALIAS]: 'a:0' }, {}, "Invalid PCI alias definition: '0' is not a number of devices from 1 to 32"],
    ['too many', { [ALIAS]: 'a:20,b:13' }, {}, 'The flavor asks for 33 devices; a server has at most 32'],
    ['a name that no class can have', { [ALIAS]: 'A 100:1' }, {}, 'PCI alias A 100 is not defined'],
    ['a VLAN beyond', { 'device:net': '1,vlan=4095' }, {}, "Invalid device definition: 'vlan=4095' in device:net"],
    ['an odd word', { 'device:net': '1,mac=fa' }, {}, "Invalid device definition: 'mac=fa' in device:net"],
  ])('%s', (_name, specs, image, expected) => expect(devicesOf(specs, image)).toEqual(expected));

  it('what is malformed is refused when the flavor is written, with the cure', () => {
    expect(whyNotFlavor(flavor({ [ALIAS]: 'a:0' }))).toBe("Invalid PCI alias definition: '0' is not a number of devices from 1 to 32. What to do: set how many of a in pci_passthrough:alias.");
    expect(whyNotFlavor(flavor({ [ALIAS]: 'nothing' }))).toContain('What to do: change pci_passthrough:alias, or take it away.');
    expect(whyNotFlavor(flavor({ [ALIAS]: 'a:2' }))).toBeUndefined();
  });

  it.each<[string, Specs, string | undefined]>([
    ['one of several devices', { 'device:a': '2,vlan=4,tag=x' }, "Tag 'x' would be that of 2 devices of a. What to do: ask for one in device:a, and for the others in pci_passthrough:alias."],
    ['two classes’', { 'device:a': '1,tag=x', 'device:b': '1,tag=x' }, "Two devices of the flavor would be tagged 'x'. What to do: give each a tag of its own."],
    ['each its own', { 'device:a': '1,tag=x', 'device:b': '1,tag=y', 'device:c': '2', [ALIAS]: 'a:3' }, undefined],
  ])('a tag tells devices one from another when the flavor is written: %s', (_name, specs, expected) => {
    expect(whyNotFlavor(flavor(specs))).toBe(expected);
    // What was written before is what its servers need.
    expect(readNeeds(flavor(specs), {})).toHaveProperty('needs.devices');
  });

  it('counts by class, whichever way they are named', () => {
    expect(devicesOfFlavor(flavor({ [ALIAS]: 'a:2,b:1', 'device:a': '3,tag=x' }))).toEqual({ a: 5, b: 1 });
    expect(devicesOfFlavor(flavor({ [ALIAS]: 'broken' }))).toEqual({});
  });

  it('a guest that floats has a layout for them, and a rebuild keeps them', () => {
    const read = readNeeds(flavor({ [ALIAS]: 'a:1' }), {});
    const needs = 'needs' in read ? read.needs : null;
    expect(needsLayout(needs)).toBe(true);
    const pinned = (policy: string): Needs | null => {
      const its = readNeeds(flavor({ [ALIAS]: 'a:1', 'hw:cpu_policy': 'dedicated' }), { hw_pci_numa_affinity_policy: policy });
      return 'needs' in its ? its.needs : null;
    };
    expect(whyNotRebuilt(needs, needs)).toBeUndefined();
    expect(whyNotRebuilt(pinned('required'), pinned('legacy'))).toContain('NUMA topology cannot be changed');
  });

  it('whatever is written is either refused or fits the contract', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-c:, 0-9]{1,12}$/)), fc.stringMatching(/^[0-9a-z=,.]{0,12}$/), (alias, own) => {
      const read = readNeeds(flavor({ [ALIAS]: alias, 'device:c': own }), {});
      if ('needs' in read && read.needs !== null) expect(Needs.parse(read.needs)).toEqual(read.needs);
    }));
  });
});
