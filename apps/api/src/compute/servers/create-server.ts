/**
 * A create request as the cloud's own question: what is not offered is refused with words before anything is written,
 * and a name that its owner does not know is the client's mistake. Owns no state. Ids and passwords come from the
 * request's `ids`: a repeat under its Idempotency-Key is the same write, and is answered with the same servers.
 */
import { enforce } from '#libs/auth';
import { createServers, ImageId, InstanceId, listHosts, type Caller, type InputOf } from '#libs/contracts';
import { badRequest, SkyError } from '#libs/errors';
import type { Bus } from '#libs/messaging';
import { has } from '#libs/openstack';
import { asking, type Call } from '../../http/call.js';
import { LIMITS } from '../../limits.js';
import type { CreateServerBody } from './servers.schema.js';

type Server = CreateServerBody['server'];
type Input = Omit<InputOf<typeof createServers>, 'caller'>;

/** What only newer microversions have. */
interface NewerFields {
  description?: string | null; tags?: string[]; personality?: unknown[]; trusted_image_certificates?: string[] | null;
  host?: string; hypervisor_hostname?: string; hostname?: string;
}

export interface CreatedServer { readonly id: string; readonly adminPass: string; readonly reservationId: string }

export async function createServer(bus: Bus, { caller, version, ids }: Pick<Call, 'caller' | 'version' | 'ids'>, body: CreateServerBody): Promise<CreatedServer> {
  refuseWhatIsNotOffered(body);
  const { server } = body;
  const { minCount, maxCount } = countsOf(server);
  const { hostname } = server as NewerFields;
  if (hostname !== undefined && maxCount > 1) throw badRequest('Unable to allocate a single hostname to multiple instances');
  const place = destinationOf(caller, server);
  if (place.host !== null) await checkHost(bus, place.host);
  const input: Input = {
    instanceIds: Array.from({ length: maxCount }, (_, n) => InstanceId.parse(ids.uuid(`server ${n}`))),
    minCount,
    name: server.name, hostname: hostname ?? null,
    description: has(version, 'server.description') ? ((server as NewerFields).description ?? null) : server.name,
    flavorId: String(server.flavorRef).split('/').at(-1) ?? '',
    imageId: imageOf(server), keyName: server.key_name ?? null, userData: server.user_data ?? null,
    metadata: server.metadata ?? {}, tags: [...new Set((server as NewerFields).tags ?? [])],
    availabilityZone: place.zone, requestedHost: place.host,
    groupId: groupOf(body), hints: placingHintsOf(body),
    reservationId: `r-${word(ids.bytes('reservation', 8))}`,
  };
  const { instances } = await asking(bus, caller)(createServers, input).catch(blameTheRequest);
  return { id: instances[0]?.id ?? input.instanceIds[0] as string, adminPass: server.adminPass ?? password(ids.bytes('password', 9)), reservationId: input.reservationId };
}

/** An image, flavor or key that is not there is a wrong request, not a missing resource. */
function blameTheRequest(error: unknown): never {
  if (error instanceof SkyError && error.kind === 'not-found') throw badRequest(error.message, { cause: error });
  throw error;
}

function countsOf(server: Server): { minCount: number; maxCount: number } {
  const minCount = server.min_count ?? 1;
  const maxCount = server.max_count ?? minCount;
  if (minCount > maxCount) throw badRequest('min_count must be <= max_count');
  if (maxCount > LIMITS.serversPerRequest) throw badRequest(`max_count ${maxCount} is too many: one request makes at most ${LIMITS.serversPerRequest} servers.`);
  return { minCount, maxCount };
}

function imageOf(server: Server): ImageId {
  if (server.imageRef === undefined || server.imageRef === '') throw badRequest('Missing imageRef attribute');
  const id = ImageId.safeParse(server.imageRef);
  if (!id.success) throw badRequest('Can not find requested image');
  return id.data;
}

interface Place { readonly zone: string | null; readonly host: string | null }

/** `zone`, or for admins `zone:host`, `:host`, `zone:host:node`; a host here has one node, itself. */
function placeOf(text: string | undefined): Place {
  if (text === undefined) return { zone: null, host: null };
  const parts = text.split(':');
  if (parts.length > 3) throw badRequest('Invalid input received: Unable to parse availability_zone');
  const [zone = '', host = '', node = ''] = parts;
  if (host !== '' && node !== '' && host !== node) throw badRequest(`Compute host ${node} could not be found.`);
  return { zone: zone === '' ? null : zone, host: (host || node) === '' ? null : host || node };
}

/** Where an admin wants it: named with the zone, or from 2.74 on by `host` and `hypervisor_hostname`, never both. */
function destinationOf(caller: Caller, server: Server): Place {
  const place = placeOf(server.availability_zone);
  if (place.host !== null) enforce('compute:servers:create-on-host', caller);
  const { host, hypervisor_hostname: node } = server as NewerFields;
  if (host === undefined && node === undefined) return place;
  enforce('compute:servers:create-on-host', caller);
  if (place.host !== null) throw badRequest('One mechanism with host and/or hypervisor_hostname and another mechanism with zone:host:node are mutually exclusive.');
  if (host !== undefined && node !== undefined && host !== node) throw badRequest(`Compute host ${node} could not be found.`);
  return { zone: place.zone, host: host ?? node ?? null };
}

/** The server group they join: one, by its id. */
function groupOf(body: CreateServerBody): string | null {
  const { group } = hintsOf(body);
  const groups = group === undefined ? [] : [group].flat();
  if (groups.length > 1) throw badRequest('A server can be in one server group only.');
  return groups[0] ?? null;
}

/** Beside or away from which servers. Every other hint is free text that no filter reads, as in a Nova with its default filters. */
function placingHintsOf(body: CreateServerBody): Input['hints'] {
  const { same_host: same, different_host: different } = hintsOf(body);
  const [sameHost, differentHost] = [same, different].map((hint) => [...new Set(hint === undefined ? [] : [hint].flat())].map((id) => InstanceId.parse(id)));
  for (const [name, ids] of [['same_host', sameHost], ['different_host', differentHost]] as const) {
    if ((ids?.length ?? 0) > LIMITS.hintedServers) throw badRequest(`The scheduler hint '${name}' names more than ${LIMITS.hintedServers} servers.`);
  }
  return sameHost?.length || differentHost?.length ? { sameHost, differentHost } : null;
}

const hintsOf = (body: CreateServerBody) => body['os:scheduler_hints'] ?? body['OS-SCH-HNT:scheduler_hints'] ?? {};

/** A host that is not there is refused (the owner looks the zone up itself); when nobody can say, placement will. */
async function checkHost(bus: Bus, host: string): Promise<void> {
  try {
    if ((await bus.ask(listHosts, { name: host })).hosts.length === 0) throw badRequest(`Compute host ${host} could not be found.`);
  } catch (error) {
    if (error instanceof SkyError && (error.kind === 'unavailable' || error.kind === 'timeout')) return;
    throw error;
  }
}

function refuseWhatIsNotOffered(body: CreateServerBody): void {
  const { server } = body;
  refuseNetworks(server.networks);
  const { personality, trusted_image_certificates: certificates } = server as NewerFields;
  if ((certificates ?? null) !== null) throw badRequest('trusted_image_certificates are not supported by this cloud: it does not verify signatures of images.');
  if (personality !== undefined && personality.length > 0) throw badRequest("Injecting files with 'personality' is not supported by this cloud; use user_data.");
  const group = server.security_groups?.find(({ name }) => name !== undefined && name !== 'default');
  if (group !== undefined) throw badRequest(`Security group ${group.name} not found: this cloud offers no networks, so there is only 'default'.`);
  if (server['OS-DCF:diskConfig'] === 'AUTO') throw badRequest('OS-DCF:diskConfig AUTO is not supported by this cloud: disks are left as the image has them.');
  if (server.accessIPv4 !== undefined || server.accessIPv6 !== undefined) throw badRequest('accessIPv4 and accessIPv6 are not supported by this cloud.');
  refuseDevices(server);
}

function refuseNetworks(networks: Server['networks']): void {
  if (networks === undefined || networks === 'none' || networks === 'auto' || networks.length === 0) return;
  throw badRequest("This cloud offers no networks: leave 'networks' out, or from microversion 2.37 on say 'none' or 'auto'. The server is made without a network interface.");
}

/** Booting from the image's local copy is what happens anyway; that is the one mapping that may be spelled out. */
function refuseDevices(server: Server): void {
  const legacy = server.block_device_mapping ?? [];
  const devices = server.block_device_mapping_v2 ?? [];
  if (legacy.length > 0 && devices.length > 0) throw badRequest('Using different block_device_mapping syntaxes is not allowed in the same request.');
  const isTheImage = (device: (typeof devices)[number]): boolean =>
    device.source_type === 'image' && (device.destination_type ?? 'local') === 'local' && Number(device.boot_index ?? -1) === 0
    && (device.uuid ?? device.image_id) === server.imageRef;
  if (legacy.length > 0 || devices.length > 1 || (devices[0] !== undefined && !isTheImage(devices[0]))) {
    throw badRequest('Block Device Mapping is Invalid: this cloud offers no volumes; a server boots from a local copy of its imageRef (source_type image, destination_type local, boot_index 0).');
  }
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const word = (bytes: Buffer): string => [...bytes].map((byte) => LETTERS[byte % LETTERS.length]).join('');

/** Shown once; nothing sets it in the guest, as with any cloud whose images log in by key. */
export const password = (bytes: Buffer): string => bytes.toString('base64url');
