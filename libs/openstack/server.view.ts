import type { HostView, InstanceView } from '#libs/contracts';
import { microsNoZoneOrNull, secondsZ } from './dates.js';
import { embeddedFlavor } from './flavor.view.js';
import { hostIdOf } from './host-id.js';
import { bookmark, resourceLinks, type LinkBase } from './links.js';
import type { Microversion } from './microversion.js';
import { deriveStatus, type DerivedStatus } from './status/index.js';
import { has } from './version-table.js';
import { forTenants } from './tenant-text.js';

export interface ServerContext {
  readonly version: Microversion;
  readonly links: LinkBase;
  /** Sees hosts, instance names, fault details, user data. */
  readonly isAdmin: boolean;
  /** The host a server is on; asked for from 2.16 and for admins only. undefined: not known now. */
  hostOf?(hostId: string): HostView | undefined;
}

const WITH_FAULT: ReadonlySet<string> = new Set(['ERROR', 'DELETED']);

/** Every server boots from an image's overlay on a local disk: nothing is attached, nothing is resized in the guest. */
export const DISK_CONFIG = 'MANUAL';

export const serverBrief = (instance: InstanceView, links: LinkBase) => ({
  id: instance.id,
  name: instance.name,
  links: resourceLinks(links, 'servers', instance.id),
});

function fault(instance: InstanceView, isAdmin: boolean) {
  if (instance.fault === null) return undefined;
  const { code, message, details, createdAt } = instance.fault;
  return { code, created: secondsZ(createdAt), message: isAdmin ? message : forTenants(message), ...(details !== null && details !== '' && (isAdmin || code !== 500) && { details }) };
}

/** In the states in which Nova shows one. */
export const shownFault = (instance: InstanceView, words: DerivedStatus, isAdmin: boolean) => (WITH_FAULT.has(words.status) ? fault(instance, isAdmin) : undefined);

/** What every answer about one server has, PUT's too. */
function common(instance: InstanceView, words: DerivedStatus, { version, links, isAdmin }: ServerContext) {
  const said = shownFault(instance, words, isAdmin);
  return {
    id: instance.id,
    name: instance.name,
    status: words.status,
    tenant_id: instance.projectId,
    user_id: instance.userId,
    metadata: instance.metadata,
    hostId: hostIdOf(instance.projectId, instance.hostName),
    image: { id: instance.imageId as string, links: [bookmark(links, 'images', instance.imageId)] },
    flavor: has(version, 'server.embedded-flavor')
      ? embeddedFlavor(instance.flavor)
      : { id: instance.flavor.id, links: [bookmark(links, 'flavors', instance.flavor.id)] },
    created: secondsZ(instance.createdAt),
    updated: secondsZ(instance.updatedAt),
    addresses: {},
    accessIPv4: '',
    accessIPv6: '',
    links: resourceLinks(links, 'servers', instance.id),
    'OS-DCF:diskConfig': DISK_CONFIG,
    ...(words.progress !== undefined && { progress: words.progress }),
    ...(said && { fault: said }),
    ...(has(version, 'server.locked') && { locked: instance.locked }),
    ...(has(version, 'server.description') && { description: instance.description }),
    ...(has(version, 'server.tags') && { tags: instance.tags }),
    ...(has(version, 'server.trusted-certificates') && { trusted_image_certificates: null }),
    ...(has(version, 'server.locked-reason') && { locked_reason: instance.lockedReason }),
    ...(has(version, 'server.hostname') && { 'OS-EXT-SRV-ATTR:hostname': instance.hostname }),
  };
}

/** The domain's name on its host, as the agent gives it. */
export const instanceName = (instance: Pick<InstanceView, 'id'>): string => `instance-${instance.id.slice(0, 13)}`;

const userData = ({ userData: text }: InstanceView) => ({ 'OS-EXT-SRV-ATTR:user_data': text });

function hostAttributes(instance: InstanceView, version: Microversion) {
  return {
    'OS-EXT-SRV-ATTR:host': instance.hostName,
    'OS-EXT-SRV-ATTR:instance_name': instanceName(instance),
    'OS-EXT-SRV-ATTR:hypervisor_hostname': instance.hostName,
    ...(has(version, 'server.more-attributes') && {
      'OS-EXT-SRV-ATTR:reservation_id': instance.reservationId,
      'OS-EXT-SRV-ATTR:launch_index': instance.launchIndex,
      'OS-EXT-SRV-ATTR:hostname': instance.hostname,
      'OS-EXT-SRV-ATTR:kernel_id': '',
      'OS-EXT-SRV-ATTR:ramdisk_id': '',
      'OS-EXT-SRV-ATTR:root_device_name': instance.hostName === null ? null : '/dev/vda',
    }),
  };
}

/** UP, DOWN words as Nova has them; empty without a host. */
export function hostStatus(instance: InstanceView, hostOf: ServerContext['hostOf']): string {
  if (instance.hostId === null) return '';
  const host = hostOf?.(instance.hostId);
  if (host === undefined) return 'UNKNOWN';
  if (!host.enabled) return 'MAINTENANCE';
  return host.alive ? 'UP' : 'UNKNOWN';
}

/** What began as extensions. Security groups and addresses come with NICs. */
function extended(instance: InstanceView, words: DerivedStatus, context: ServerContext) {
  const { version, isAdmin } = context;
  return {
    'OS-EXT-AZ:availability_zone': instance.availabilityZone ?? instance.requestedZone ?? '',
    config_drive: instance.configDrive ? 'True' : '',
    key_name: instance.keyName,
    'OS-SRV-USG:launched_at': microsNoZoneOrNull(instance.launchedAt),
    'OS-SRV-USG:terminated_at': microsNoZoneOrNull(instance.terminatedAt),
    ...(isAdmin && hostAttributes(instance, version)),
    'OS-EXT-STS:task_state': words.taskState,
    'OS-EXT-STS:vm_state': words.vmState,
    'OS-EXT-STS:power_state': words.powerState,
    'os-extended-volumes:volumes_attached': [],
    ...(isAdmin && has(version, 'server.host-status') && { host_status: hostStatus(instance, context.hostOf) }),
    ...(has(version, 'server.pinned-zone') && { pinned_availability_zone: instance.requestedZone }),
  };
}

const groups = ({ groupId }: InstanceView, { version }: ServerContext) => (has(version, 'server.groups') ? { server_groups: groupId === null || groupId === undefined ? [] : [groupId] } : {});
const adminUserData = (instance: InstanceView, { version, isAdmin }: ServerContext) => (isAdmin && has(version, 'server.more-attributes') ? userData(instance) : {});

/** Each entry of GET /servers/detail: what one server's answer has, but for its groups. */
export function serverEntry(instance: InstanceView, context: ServerContext) {
  const words = deriveStatus(instance);
  return { ...common(instance, words, context), ...extended(instance, words, context), ...adminUserData(instance, context) };
}

/** GET /servers/{id}. */
export const serverDetail = (instance: InstanceView, context: ServerContext) => ({ ...serverEntry(instance, context), ...groups(instance, context) });

/** PUT /servers/{id}: until 2.75 without the attributes that began as extensions. */
export function serverUpdated(instance: InstanceView, context: ServerContext) {
  if (has(context.version, 'server.same-everywhere')) return serverDetail(instance, context);
  return { ...common(instance, deriveStatus(instance), context), ...groups(instance, context) };
}

/** The 202 of rebuild: as PUT, with the new password; from 2.54 with the key, from 2.57 with the user data (for everyone, under that name). */
export function serverRebuilt(instance: InstanceView, context: ServerContext, adminPass: string) {
  const { version } = context;
  const words = deriveStatus(instance);
  return {
    ...common(instance, words, context),
    ...(has(version, 'server.same-everywhere') && extended(instance, words, context)),
    ...(has(version, 'server-rebuild.key-name') && { key_name: instance.keyName }),
    ...groups(instance, context),
    adminPass,
    ...(has(version, 'server-rebuild.user-data') && { user_data: instance.userData }),
  };
}

/** The 202 of POST /servers. `securityGroups` are those asked for; the password is shown here and nowhere else. */
export const serverCreated = (id: string, links: LinkBase, adminPass: string, securityGroups: ReadonlyArray<{ name: string }>) => ({
  server: {
    id,
    links: resourceLinks(links, 'servers', id),
    'OS-DCF:diskConfig': DISK_CONFIG,
    security_groups: securityGroups.length === 0 ? [{ name: 'default' }] : securityGroups,
    adminPass,
  },
});
