// Between wire values and the API's words.
import type { DomainReasonName, DomainRef, DomainState, DomainStateName, FlagSet, LibvirtVersion, StatValue } from './api.js';
import { LibvirtArgumentError } from './errors.js';
import { DOMAIN_STATES, FLAGS, STATE_REASONS, type domain, type typedParam } from './facts.js';
import type { XdrValue } from './xdr.js';

export type WireDomain = XdrValue<typeof domain>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function uuidToBytes(uuid: string): Uint8Array {
  if (!UUID.test(uuid)) throw new LibvirtArgumentError(`not a dashed UUID: ${uuid.slice(0, 64)}`);
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

export function uuidFromBytes(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export function toRef(wire: WireDomain): DomainRef {
  return { name: wire.name, uuid: uuidFromBytes(wire.uuid), id: wire.id };
}

export function fromRef(ref: DomainRef): WireDomain {
  return { name: ref.name, uuid: uuidToBytes(ref.uuid), id: ref.id };
}

export function flagBits<G extends keyof typeof FLAGS>(group: G, flags: FlagSet<G> | undefined): number {
  let bits = 0;
  const table: Readonly<Record<string, number>> = FLAGS[group];
  for (const [name, on] of Object.entries(flags ?? {})) {
    const bit = table[name];
    if (bit === undefined) throw new LibvirtArgumentError(`no ${group} flag "${name}"`);
    if (on === true) bits += bit; // bits are distinct; | would turn bit 31 negative
  }
  return bits;
}

export function stateName(state: number): DomainStateName {
  return DOMAIN_STATES[state] ?? 'nostate';
}

export function toState(state: number, reason: number): DomainState {
  const name = stateName(state);
  const reasons: readonly DomainReasonName[] = name in STATE_REASONS ? STATE_REASONS[name as keyof typeof STATE_REASONS] : [];
  return { state: name, reason: reasons[reason] ?? 'unknown' };
}

/** 9000000 -> 9.0.0 */
export function toVersion(value: bigint): LibvirtVersion {
  const n = Number(value);
  const [major, minor, release] = [Math.floor(n / 1_000_000), Math.floor(n / 1000) % 1000, n % 1000];
  return { major, minor, release, text: `${major}.${minor}.${release}` };
}

/** A C char array up to its NUL. */
export function fromChars(chars: readonly number[]): string {
  const end = chars.indexOf(0);
  return Buffer.from(end < 0 ? chars : chars.slice(0, end)).toString('latin1');
}

const BOOLEAN = 6;

export function toStat(param: XdrValue<typeof typedParam>): StatValue {
  return param.value.type === BOOLEAN ? param.value.value !== 0 : param.value.value;
}
