/**
 * Placement's queries for providers: resources, required, member_of, in_tree, as lists and candidates share them; and which
 * provider meets them. Knows the microversion that brought each form. Throws bad-request. Pure.
 */
import type { ResourceProvider } from '#libs/contracts';
import { badRequest, type SkyError } from '#libs/errors';
import { capacityOfInventory, STANDARD_RESOURCES, STANDARD_TRAITS } from '#libs/openstack';

export interface ProviderWish {
  readonly resources: Readonly<Record<string, number>>;
  /** One of each. */
  readonly required: readonly (readonly string[])[];
  readonly forbidden: readonly string[];
  /** In one of each. */
  readonly memberOf: readonly (readonly string[])[];
  readonly notMemberOf: readonly string[];
  readonly inTree: string | null;
}

const UUID = /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;
const bad = (message: string): SkyError => badRequest(message, { details: { code: 'placement.query.bad_value' } });

/** @param suffix of a numbered group: `resources1`. @param minor of the microversion: each form is known from one on. */
export function readWish(query: URLSearchParams, suffix: string, minor: number): ProviderWish {
  const all = (name: string): string[] => query.getAll(name + suffix);
  const one = (name: string): string | undefined => {
    const values = all(name);
    if (values.length > 1) throw badRequest(`Invalid query string parameters: '${name}${suffix}' may be given once.`, { details: { code: 'placement.query.duplicate_key' } });
    return values[0];
  };
  const required: string[][] = [];
  const forbidden: string[] = [];
  const asked = all('required');
  if (asked.length > 1 && minor < 39) throw bad("'required' may be given several times from 1.39 on.");
  for (const text of asked) {
    if (text.startsWith('in:') && minor >= 39) {
      required.push(traits(text.slice(3)));
      continue;
    }
    const names = traits(text);
    required.push(...names.filter((name) => !name.startsWith('!')).map((name) => [name]));
    forbidden.push(...names.filter((name) => name.startsWith('!')).map((name) => name.slice(1)));
  }
  if (forbidden.length > 0 && minor < 22) throw bad('Forbidden traits are known from 1.22 on.');
  const both = required.find((names) => names.length === 1 && forbidden.includes(names[0]!));
  if (both) throw bad(`The trait ${both[0]!} is required and forbidden.`);
  const memberOf: string[][] = [];
  const notMemberOf: string[] = [];
  const members = all('member_of');
  if (members.length > 1 && minor < 24) throw bad("'member_of' may be given several times from 1.24 on.");
  for (const text of members) {
    const negative = text.startsWith('!') && minor >= 32;
    const ids = uuids(text.replace(negative ? /^!(in:)?/ : /^in:/, ''), 'member_of');
    if (negative) notMemberOf.push(...ids);
    else memberOf.push(ids);
  }
  const inTree = one('in_tree');
  if (inTree !== undefined && !UUID.test(inTree)) throw bad(`Expected 'in_tree' parameter to contain a uuid, not ${inTree.slice(0, 64)}.`);
  return { resources: amounts(one('resources')), required, forbidden, memberOf, notMemberOf, inTree: inTree?.toLowerCase() ?? null };
}

/** Names of traits and classes nobody can know are refused, as Placement does; `known` are those of the hosts. */
export function demandKnown({ resources, required, forbidden }: ProviderWish, providers: readonly ResourceProvider[]): void {
  for (const name of Object.keys(resources)) {
    if (!STANDARD_RESOURCES.has(name) && !providers.some(({ inventories }) => Object.hasOwn(inventories, name))) throw bad(`Invalid resource class in resources parameter: No such resource class ${name}.`);
  }
  const unknown = [...required.flat(), ...forbidden].filter((name) => !STANDARD_TRAITS.has(name) && !providers.some(({ traits: have }) => have.includes(name)));
  if (unknown.length > 0) throw bad(`No such trait(s): ${unknown.join(', ')}.`);
}

export function meets(provider: ResourceProvider, wish: ProviderWish): boolean {
  const { traits: have, aggregates, inventories } = provider;
  return (wish.inTree === null || provider.id === wish.inTree)
    && wish.required.every((names) => names.some((name) => have.includes(name))) && !wish.forbidden.some((name) => have.includes(name))
    && wish.memberOf.every((ids) => ids.some((id) => aggregates.includes(id))) && !wish.notMemberOf.some((id) => aggregates.includes(id))
    && gives(inventories, wish.resources);
}

export function gives(inventories: ResourceProvider['inventories'], resources: Readonly<Record<string, number>>): boolean {
  return Object.entries(resources).every(([name, amount]) => {
    const inventory = Object.hasOwn(inventories, name) ? inventories[name] : undefined;
    return inventory !== undefined && amount >= inventory.minUnit && amount <= inventory.maxUnit && amount % inventory.stepSize === 0 && inventory.used + amount <= capacityOfInventory(inventory);
  });
}

/** `VCPU:4,DISK_GB:64` */
function amounts(text: string | undefined): Record<string, number> {
  if (text === undefined) return {};
  const found: Record<string, number> = {};
  for (const part of text.split(',')) {
    const match = /^([A-Z0-9_]{1,255}):([1-9]\d{0,9})$/.exec(part);
    if (match === null) throw bad(`Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024. Got: ${text.slice(0, 255)}.`);
    found[match[1]!] = Number(match[2]);
  }
  return found;
}

function traits(text: string): string[] {
  const names = text.split(',');
  if (names.some((name) => !/^!?[A-Z0-9_]{1,255}$/.test(name))) throw bad(`Invalid query string parameters: Expected 'required' parameter value of the form: HW_CPU_X86_VMX,CUSTOM_MAGIC. Got: ${text.slice(0, 255)}.`);
  return names;
}

function uuids(text: string, name: string): string[] {
  const ids = text.split(',');
  if (ids.some((id) => !UUID.test(id))) throw bad(`Expected '${name}' parameter to contain valid UUID(s). Got: ${text.slice(0, 255)}.`);
  return ids.map((id) => id.toLowerCase());
}
