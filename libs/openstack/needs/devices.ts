/**
 * Devices that flavor and image ask for: Nova's pci_passthrough:alias with its NUMA policy, and Skylite's own `device:CLASS`, which says
 * tag and VLAN too. Whether a class of that name is there is its owner's question. Pure.
 */
import type { DeviceNeed } from '#libs/contracts';
import { Reading, wholeNumber, type FlavorShape } from './reading.js';

const ALIAS = 'pci_passthrough:alias';
const OWN = 'device:';
const CLASS_NAME = /^[a-z0-9][a-z0-9_.-]{0,62}$/;
/** A guest of more has no slots for them. */
const MOST_OF_ONE = 32;
const MOST_NEEDS = 32;
const MOST_VLAN = 4094;
const POLICIES = ['required', 'preferred', 'socket', 'legacy'] as const;
type Policy = (typeof POLICIES)[number];

export function devices(reading: Reading): DeviceNeed[] {
  const numaPolicy = policyOf(reading);
  const needs = [...aliases(reading), ...own(reading)].map((need): DeviceNeed => ({ ...need, numaPolicy }));
  const all = needs.reduce((sum, { count }) => sum + count, 0);
  if (needs.length > MOST_NEEDS || all > MOST_OF_ONE) reading.wrong(`The flavor asks for ${all} devices; a server has at most ${MOST_OF_ONE}`, `ask for fewer in ${ALIAS}`);
  return needs;
}

type Asked = Omit<DeviceNeed, 'numaPolicy'>;

function aliases(reading: Reading): Asked[] {
  const text = reading.flavor.extraSpecs[ALIAS];
  if (text === undefined || text.trim() === '') return [];
  return text.split(',').flatMap((part) => {
    const [name = '', amount = '', ...rest] = part.split(':').map((word) => word.trim());
    const cure = `write ${ALIAS} as class:count, for example fast-net:2,gpu:1`;
    if (rest.length > 0 || name === '' || amount === '') return wrong(reading, `Invalid PCI alias definition: '${part.trim()}'`, cure);
    return asked(reading, name, amount, ALIAS);
  });
}

/** `device:fast-net` = `2`, or `2,vlan=42,tag=data`. */
function own(reading: Reading): Asked[] {
  return Object.entries(reading.flavor.extraSpecs).filter(([name]) => name.startsWith(OWN)).flatMap(([name, value]) => {
    const [amount = '', ...rest] = value.split(',').map((word) => word.trim());
    const found = asked(reading, name.slice(OWN.length), amount, name);
    for (const word of rest) {
      const [, key, said] = /^(vlan|tag)=([A-Za-z0-9_.-]{1,60})$/.exec(word) ?? [];
      const vlan = key === 'vlan' ? wholeNumber(said ?? '', 1) : undefined;
      if (key === 'tag' && said !== undefined) found.forEach((need) => { need.tag = said; });
      else if (vlan !== undefined && vlan <= MOST_VLAN) found.forEach((need) => { need.vlan = vlan; });
      else return wrong(reading, `Invalid device definition: '${word}' in ${name}`, `write ${name} as a number, then ,vlan=1 to ${MOST_VLAN} and ,tag=NAME if wished`);
    }
    return found;
  });
}

function asked(reading: Reading, className: string, amount: string, name: string): Asked[] {
  // No class can ever have such a name.
  if (!CLASS_NAME.test(className)) return wrong(reading, `PCI alias ${className} is not defined`, `name a device class in ${name}: small letters, digits, and _ . - behind the first`);
  const count = wholeNumber(amount, 1);
  if (count === undefined || count > MOST_OF_ONE) return wrong(reading, `Invalid PCI alias definition: '${amount}' is not a number of devices from 1 to ${MOST_OF_ONE}`, `set how many of ${className} in ${name}`);
  return [{ className, count, vlan: null }];
}

function wrong(reading: Reading, words: string, cure: string): [] {
  reading.wrong(words, cure);
  return [];
}

/**
 * Why tags would not tell this flavor's devices one from another; undefined: they do. Asked when a flavor is written, not when it is read:
 * servers of one that was written before keep what they need.
 */
export function whyNotTags(flavor: FlavorShape): string | undefined {
  const seen = new Set<string>();
  for (const { className, count, tag } of own(new Reading(flavor, {}))) {
    if (tag === undefined) continue;
    if (count > 1) return `Tag '${tag}' would be that of ${count} devices of ${className}. What to do: ask for one in ${OWN}${className}, and for the others in ${ALIAS}.`;
    if (seen.has(tag)) return `Two devices of the flavor would be tagged '${tag}'. What to do: give each a tag of its own.`;
    seen.add(tag);
  }
  return undefined;
}

/** The flavor's or the image's, which may only agree; null: each class' own. */
function policyOf(reading: Reading): Policy | null {
  const [flavor, image] = [reading.ofFlavor('pci_numa_affinity_policy'), reading.ofImage('pci_numa_affinity_policy')];
  if (flavor !== undefined && image !== undefined && flavor !== image) {
    reading.wrong("Image property 'hw_pci_numa_affinity_policy' is not permitted to override the 'hw:pci_numa_affinity_policy' flavor extra spec", 'take an image without hw_pci_numa_affinity_policy, or one that says the same');
  }
  const text = flavor ?? image;
  const known = POLICIES.find((each) => each === text);
  if (text !== undefined && known === undefined) {
    reading.wrong(`Invalid PCI NUMA affinity configured: ${text}`, `set ${flavor === undefined ? 'hw_pci_numa_affinity_policy of the image' : 'hw:pci_numa_affinity_policy'} to ${POLICIES.join(', ')}, or take it away`);
  }
  return known ?? null;
}

/** How many devices of which class a flavor asks for; what is malformed counts nothing, and is refused elsewhere. */
export function devicesOfFlavor(flavor: FlavorShape): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { className, count } of devices(new Reading(flavor, {}))) counts[className] = (counts[className] ?? 0) + count;
  return counts;
}
