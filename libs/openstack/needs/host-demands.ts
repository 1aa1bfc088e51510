/** What flavor and image ask of a host besides CPUs and memory: traits, resources, aggregates, architecture. Pure. */
import type { Needs } from '#libs/contracts';
import { wholeNumber, type ImageProperties, type Reading } from './reading.js';

/** One provider is one host here, so the groups that number requests are one. */
const GROUP = '[a-zA-Z0-9_-]{0,64}';
const TRAIT = new RegExp(`^trait${GROUP}:(.+)$`);
const RESOURCE = new RegExp(`^resources${GROUP}:(.+)$`);
const MOST_TRAITS = 200;
const HYPERTHREADING = 'HW_CPU_HYPERTHREADING';

type Requirement = 'required' | 'forbidden';

export interface Traits { readonly traits: Needs['traits']; /** Of HW_CPU_HYPERTHREADING: it stands for a thread policy as well. */ readonly hyperthreading: Requirement | null }

/** A flavor requires and forbids; an image requires. */
export function traits(reading: Reading): Traits {
  const [required, forbidden] = [new Set<string>(), new Set<string>()];
  for (const [name, value] of Object.entries(reading.flavor.extraSpecs)) {
    const trait = TRAIT.exec(name)?.[1];
    if (trait === undefined) continue;
    if (value === 'required') required.add(trait);
    else if (value === 'forbidden') forbidden.add(trait);
    else reading.wrong(`Validation failed; '${value}' is not one of: required, forbidden`, `set ${name} to one of them, or take it away`);
  }
  for (const [name, value] of Object.entries(reading.image)) if (name.startsWith('trait:') && value === 'required') required.add(name.slice('trait:'.length));
  const both = [...required].find((trait) => forbidden.has(trait));
  if (both !== undefined) reading.wrong(`Trait ${both} is both required and forbidden by flavor and image`, `take away one of the two, or take another image`);
  if (required.size > MOST_TRAITS || forbidden.size > MOST_TRAITS) reading.wrong(`More than ${MOST_TRAITS} traits are required or forbidden`, 'ask for fewer');
  return {
    traits: { required: [...required].sort(), forbidden: [...forbidden].sort() },
    hyperthreading: forbidden.has(HYPERTHREADING) ? 'forbidden' : required.has(HYPERTHREADING) ? 'required' : null,
  };
}

export interface Resources { readonly resources: Needs['resources']; /** resources:VCPU and resources:PCPU, all groups together; 0: not said. */ readonly vcpus: number; readonly pcpus: number }

/** Amounts by resource class. Memory and disk are the flavor's own: another word for them would claim one thing and give another. */
export function resources(reading: Reading): Resources {
  const amounts = new Map<string, number>();
  for (const [name, value] of Object.entries(reading.flavor.extraSpecs)) {
    const resource = RESOURCE.exec(name)?.[1];
    if (resource === undefined) continue;
    const amount = wholeNumber(value, 0);
    if (amount === undefined) reading.wrong(`Validation failed; '${value}' is not a valid integer value`, `set ${name} to a number from 0 on`);
    else amounts.set(resource, (amounts.get(resource) ?? 0) + amount);
  }
  const { ramMib, diskGib } = reading.flavor;
  for (const [resource, own, what] of [['MEMORY_MB', ramMib, 'ram'], ['DISK_GB', diskGib, 'disk']] as const) {
    const asked = amounts.get(resource);
    if (asked !== undefined && asked !== own) reading.wrong(`resources:${resource}=${asked} contradicts the flavor's ${what} of ${own}`, `take resources:${resource} away, or make a flavor with that ${what}`);
    amounts.delete(resource);
  }
  const take = (resource: string): number => {
    const amount = amounts.get(resource) ?? 0;
    amounts.delete(resource);
    return amount;
  };
  return { vcpus: take('VCPU'), pcpus: take('PCPU'), resources: Object.fromEntries([...amounts].filter(([, amount]) => amount > 0).sort()) };
}

/** Without a namespace, and yet no word to aggregates. */
const NOT_OF_AGGREGATES: ReadonlySet<string> = new Set(['hide_hypervisor_id', 'group_policy']);
const OF_AGGREGATES = 'aggregate_instance_extra_specs:';

/** What hosts' aggregates have to say, with Nova's operators in the values. */
export const aggregateSpecs = ({ flavor }: Reading): Needs['aggregateSpecs'] => Object.fromEntries(Object.entries(flavor.extraSpecs)
  .filter(([name]) => name.startsWith(OF_AGGREGATES) || (!name.includes(':') && !NOT_OF_AGGREGATES.has(name)))
  .map(([name, value]) => [name.startsWith(OF_AGGREGATES) ? name.slice(OF_AGGREGATES.length) : name, value]));

/** Names of before, and what they are called now. */
const OLDER: Readonly<Record<string, string>> = {
  architecture: 'hw_architecture', vm_mode: 'hw_vm_mode', hypervisor_type: 'img_hv_type', hypervisor_version_requires: 'img_hv_requested_version', owner_id: 'img_owner_id',
};
const PLACING = /^(?:hw_|img_|os_|trait:)/;

/** Of an image's properties those that a flavor is read with, and hosts are chosen by, under the names of today. */
export function placingProperties(properties: ImageProperties): Record<string, string> {
  const known = Object.entries(properties).map(([name, value]): [string, string] => [Object.hasOwn(OLDER, name) && !Object.hasOwn(properties, OLDER[name] ?? '') ? OLDER[name] ?? name : name, value]);
  return Object.fromEntries(known.filter(([name, value]) => PLACING.test(name) && name.length <= 255 && value.length <= 255).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Those that aggregates may isolate by. */
export const isolatingProperties = (image: ImageProperties): Needs['imageProperties'] => Object.fromEntries(Object.entries(image).filter(([name]) => !name.startsWith('trait:')));

const ARCHITECTURES: ReadonlySet<string> = new Set([
  'aarch64', 'alpha', 'armv6', 'armv7l', 'armv7b', 'cris', 'i686', 'ia64', 'lm32', 'm68k', 'microblaze', 'microblazeel', 'mips', 'mipsel', 'mips64', 'mips64el', 'openrisc', 'parisc', 'parisc64',
  'ppc', 'ppcle', 'ppc64', 'ppc64le', 'ppcemb', 's390', 's390x', 'sh4', 'sh4eb', 'sparc', 'sparc64', 'unicore32', 'x86_64', 'xtensa', 'xtensaeb',
]);
const ALSO: Readonly<Record<string, string>> = { i386: 'i686', i486: 'i686', i586: 'i686', x86_32: 'i686', x86_32p: 'i686', amd64: 'x86_64' };

export function architecture(reading: Reading): string | null {
  const asked = reading.ofImage('architecture');
  if (asked === undefined) return null;
  const lower = asked.toLowerCase();
  const name = ALSO[lower] ?? lower;
  if (ARCHITECTURES.has(name)) return name;
  reading.wrong(`Architecture name '${asked}' is not recognised`, 'set hw_architecture of the image to a name such as x86_64 or aarch64');
  return null;
}
