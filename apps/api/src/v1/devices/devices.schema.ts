import { z } from 'zod';
import {
  deviceHistory, DeviceClass, DeviceClassName, DeviceClassView, DeviceIdentity, DeviceMatch, DeviceMatchChange, DevicePlan, DevicePool, DevicePoolView, DeviceState, DeviceView, HostTopology, InstanceId, releaseDevice, rescanDevices, VfPolicy, VfPolicyChange,
} from '#libs/contracts';
import { badRequest } from '#libs/errors';

/** The bus forgives fields it does not know; people are told of them, for a misspelled one would match too much. */
const Match = z.strictObject(DeviceMatch.shape);
const MatchChange = z.strictObject(DeviceMatchChange.shape);
const Policy = z.strictObject(VfPolicy.shape);

const flag = z.enum(['true', 'false']).transform((word) => word === 'true').default(false);
/** dry_run: nothing is written, the plan is answered. yes_really: what the plan only warns of is done. */
export const WriteQuery = z.strictObject({ dry_run: flag, yes_really: flag });
export type WriteQuery = z.output<typeof WriteQuery>;

export const ClassBody = z.strictObject({ ...DeviceClass.shape, match: Match });
export type ClassBody = z.output<typeof ClassBody>;
/** What is left out stays. match: another one as a whole. matchChange: what of it; null takes a criterion away. */
export const ClassChange = z.strictObject({
  description: DeviceClass.shape.description.unwrap(), match: Match, matchChange: MatchChange, numaPolicy: DeviceClass.shape.numaPolicy.unwrap(), attach: DeviceClass.shape.attach.unwrap(), sanitizer: DeviceClass.shape.sanitizer.unwrap(),
}).partial();
export type ClassChange = z.output<typeof ClassChange>;

const { id: _made, ...poolShape } = DevicePool.shape;
export const PoolBody = z.strictObject({ ...poolShape, match: Match, policy: Policy.prefault({}) });
export type PoolBody = z.output<typeof PoolBody>;
/** What is left out stays, of the policy too; `match` is replaced as a whole, `matchChange` says what of it (null takes a criterion away). A pool keeps its class and its mode. */
export const PoolChange = z.strictObject({
  name: DevicePool.shape.name, match: Match, matchChange: MatchChange, vfCount: z.int().min(1).max(65_535).nullable(), driver: DevicePool.shape.driver.unwrap(), physicalNetwork: z.string().max(64).nullable(), groupTogether: z.boolean(),
  policy: z.strictObject(VfPolicyChange.shape),
}).partial();
export type PoolChange = z.output<typeof PoolChange>;

export const ClassList = z.object({ classes: z.array(DeviceClassView) });
export const ClassAnswer = z.object({ class: DeviceClassView });
/** class null: a dry run. */
export const ClassWritten = z.object({ class: DeviceClassView.nullable(), plan: DevicePlan });
export const PoolList = z.object({ pools: z.array(DevicePoolView) });
export const PoolAnswer = z.object({ pool: DevicePoolView });
/** pool null: a dry run. */
export const PoolWritten = z.object({ pool: DevicePoolView.nullable(), plan: DevicePlan });
export const Planned = z.object({ plan: DevicePlan });
export const PoolsQuery = z.strictObject({ class: DeviceClassName.optional() });

const limit = z.string().regex(/^\d{1,6}$/).transform(Number).pipe(z.int().min(1).max(500)).default(100);
/** One or several: `state=available&state=claimed`, or `state=available,claimed`. */
const states = z.union([z.string(), z.array(z.string())]).transform((words) => [words].flat().flatMap((word) => word.split(','))).pipe(z.array(DeviceState).max(9));
export const DevicesQuery = z.strictObject({
  host: z.string().min(1).max(255).describe('id or name'), class: DeviceClassName, pool: z.string().min(1).max(64).describe('id or name'), state: states, kind: z.enum(['pf', 'vf', 'function']),
  holder: InstanceId.describe('of a server'), device: z.string().min(1).max(220).describe('address or identity, whole'), pf: DeviceIdentity, marker: z.string().min(1).max(1_000).describe('what `next` said'),
}).partial().extend({ limit });
export type DevicesQuery = z.output<typeof DevicesQuery>;

export const DeviceList = z.object({ devices: z.array(DeviceView), next: z.string().nullable() });
export const DeviceAnswer = z.object({ device: DeviceView });
export const HistoryQuery = z.strictObject({ before: z.string().min(1).max(64).optional(), limit });
export type HistoryQuery = z.output<typeof HistoryQuery>;
export const HistoryAnswer = deviceHistory.output;
/** did: released: clean and sound; vouched: of a server's, the one it is taken for; forgotten: of a missing one, it will not come back. */
export const ReleaseAnswer = releaseDevice.output;
/** generation: as it was seen; another one by now is 409. */
export const ReleaseBody = z.strictObject({ statement: z.string().trim().min(3).max(1_000), generation: z.int().min(0).optional() });
export type ReleaseBody = z.output<typeof ReleaseBody>;
/** host: id or name; left out: all. */
export const RescanBody = z.strictObject({ host: z.string().min(1).max(255).nullable().default(null) });
export type RescanBody = z.output<typeof RescanBody>;
export const RescanAnswer = rescanDevices.output;
export const TopologyAnswer = HostTopology;

/** Where a page ended, as text for the next one. */
export const markerText = (marker: { hostName: string; identity: string } | null): string | null => (marker === null ? null : Buffer.from(JSON.stringify([marker.hostName, marker.identity])).toString('base64url'));

const Marker = z.tuple([z.string().max(255), DeviceIdentity]);
/** @throws SkyError `bad-request` */
export function readMarker(text: string | undefined): { hostName: string; identity: string } | null {
  if (text === undefined) return null;
  try {
    const [hostName, identity] = Marker.parse(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')));
    return { hostName, identity };
  } catch (cause) {
    throw badRequest('The marker is not one: give what `next` of the last page said, unchanged.', { cause });
  }
}
