import type { Flavor, InstanceView } from '#libs/contracts';

/**
 * What a list reads of a server, and how it comes out of PostgreSQL: as text, by place, for a thousand rows of thirty columns
 * are mostly spent on turning texts into values and naming them. Nothing is read that only the loop needs; of the spec the
 * flavor alone. Pure.
 */
const moment = (column: string): string => `(i.${column} AT TIME ZONE 'UTC')::text`;
/** What may be long of a server, in bytes. */
export const listedBytes = (withUserData: boolean): string => `${withUserData ? 'coalesce(octet_length(i.user_data), 0) + ' : ''}octet_length(i.metadata::text) + coalesce(octet_length(i.fault::text), 0)`;
/** None of it is read of servers that are too many for an answer: that there are some is all that is asked. */
const [METADATA, FAULT, USER_DATA] = ["CASE WHEN i.fits THEN i.metadata ELSE '{}' END", 'CASE WHEN i.fits THEN i.fault END', 'CASE WHEN i.fits THEN i.user_data END'];
const COLUMNS = [
  'i.id', 'i.project_id', 'i.user_id', 'i.name', 'i.hostname', 'i.description', METADATA, "CASE WHEN i.tags <> '{}' THEN array_to_json(i.tags) END", 'i.intent',
  'i.generation', 'i.spec_generation', 'i.reboot_count', 'i.reboot_type', "i.spec->'flavor'", 'i.image_id', 'i.key_name', 'i.config_drive', 'i.requested_zone', 'i.availability_zone',
  'i.host_id', 'i.host_name', 'i.reservation_id', 'i.launch_index', 'i.group_id', 'i.locked', 'i.locked_reason', 'i.rebuilding', 'i.move_kind', 'i.move_phase',
  'i.observed_state', 'i.observed_generation', 'i.observed_reboot_count', 'i.step', FAULT, moment('created_at'), moment('updated_at'), moment('launched_at'), moment('terminated_at'),
];

/** What is selected from `compute.instances i`; with `fits`, unless it is names. */
export const listedColumns = ({ withUserData, namesOnly }: { withUserData: boolean; namesOnly: boolean }): string =>
  (namesOnly ? 'i.id, i.name' : `${COLUMNS.join(', ')}, ${withUserData ? USER_DATA : 'NULL'}, i.fits`);
/** Of a row of `listedColumns`. */
export const fitsListed = (row: ListedRow): boolean => row.at(-1) === 't';

/** One row of `listedColumns`, as PostgreSQL wrote it. */
export type ListedRow = readonly (string | null)[];

const flag = (text: string | null): boolean => text === 't';
/** `2026-01-02 03:04:05[.678901]` */
const isoOf = (text: string): string => `${text.slice(0, 10)}T${text.slice(11, 19)}.${text.slice(20, 23).padEnd(3, '0')}Z`;
const isoOrNull = (text: string | null): string | null => (text === null ? null : isoOf(text));

/** Thousands of servers share a few flavors: each is read once, and is one object in all of their views. */
const FLAVORS_KEPT = 1_000;
const flavors = new Map<string, Flavor>();
function flavorOf(text: string): Flavor {
  const known = flavors.get(text);
  if (known !== undefined) return known;
  const flavor = JSON.parse(text) as Flavor;
  Object.freeze(flavor.extraSpecs);
  Object.freeze(flavor);
  if (flavors.size >= FLAVORS_KEPT) flavors.clear();
  flavors.set(text, flavor);
  return flavor;
}

/** Of a row of names: all that was asked for. */
export const nameOfListed = ([id, name]: ListedRow): InstanceView => ({ id, name }) as InstanceView;

/** The row as the rest of the cloud sees it; the same as `viewOf` of the whole row. */
export function viewOfListed(row: ListedRow): InstanceView {
  const [
    id, projectId, userId, name, hostname, description, metadata, tags, intent,
    generation, specGeneration, rebootCount, rebootType, flavor, imageId, keyName, configDrive, requestedZone, availabilityZone,
    hostId, hostName, reservationId, launchIndex, groupId, locked, lockedReason, rebuilding, moveKind, movePhase,
    observedState, observedGeneration, observedRebootCount, step, fault, createdAt, updatedAt, launchedAt, terminatedAt, userData,
  ] = row as string[];
  return {
    id, projectId, userId, name, hostname, description,
    metadata: metadata === '{}' ? {} : JSON.parse(metadata as string), tags: tags === null ? [] : JSON.parse(tags as string),
    intent, generation: Number(generation), specGeneration: Number(specGeneration), rebootCount: Number(rebootCount), rebootType,
    flavor: flavorOf(flavor as string), imageId, keyName, userData, configDrive: flag(configDrive as string),
    requestedZone, availabilityZone, hostId, hostName, reservationId, launchIndex: Number(launchIndex), groupId,
    locked: flag(locked as string), lockedReason, rebuilding: flag(rebuilding as string), moveKind, movePhase,
    observedState, observedGeneration: Number(observedGeneration), observedRebootCount: Number(observedRebootCount),
    step, fault: fault === null ? null : JSON.parse(fault as string),
    createdAt: isoOf(createdAt as string), updatedAt: isoOf(updatedAt as string), launchedAt: isoOrNull(launchedAt as string), terminatedAt: isoOrNull(terminatedAt as string),
  } as unknown as InstanceView;
}
