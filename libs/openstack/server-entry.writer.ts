/**
 * The JSON text of entries of GET /servers and GET /servers/detail, written straight from the instance: a page has a thousand
 * entries of forty fields, most of them the same in all. Owns no knowledge of its own: it writes what `serverEntry` and
 * `serverBrief` say, letter by letter (a test holds them together for every version). Pure.
 */
import type { Flavor, InstanceView } from '#libs/contracts';
import { microsNoZone, secondsZ } from './dates.js';
import { embeddedFlavor } from './flavor.view.js';
import { hostIdOf } from './host-id.js';
import { bookmark, nextLinks, type LinkBase, type PageAsked } from './links.js';
import { DISK_CONFIG, hostStatus, instanceName, shownFault, type ServerContext } from './server.view.js';
import { deriveStatus, type DerivedStatus } from './status/index.js';
import { has } from './version-table.js';

/** What needs no escape; nearly everything. */
const PLAIN = /^[\w .:/@+=-]*$/;
const quoted = (text: string): string => (PLAIN.test(text) ? `"${text}"` : JSON.stringify(text));
const textOrNull = (text: string | null): string => (text === null ? 'null' : quoted(text));
const microsOrNull = (iso: string | null): string => (iso === null ? 'null' : `"${microsNoZone(iso)}"`);

/** The same object's text again and again: flavors of a list are shared. */
function remembered<T extends object>(write: (value: T) => string): (value: T) => string {
  const known = new WeakMap<T, string>();
  return (value) => {
    const found = known.get(value) ?? write(value);
    known.set(value, found);
    return found;
  };
}

/** What is as it was for the server before is not written again: most of a list is. */
function repeated<A, B, C, T>(write: (a: A, b: B, c: C) => T): (a: A, b?: B, c?: C) => T {
  let last: { a: A; b: B | undefined; c: C | undefined; made: T } | undefined;
  return (a, b, c) => {
    if (last === undefined || last.a !== a || last.b !== b || last.c !== c) last = { a, b, c, made: write(a, b as B, c as C) };
    return last.made;
  };
}

/** Links of one collection: all of it but the id. */
function linksWriter(links: LinkBase, collection: string): (id: string) => string {
  const self = `[{"rel":"self","href":${JSON.stringify(`${links.versioned}/${collection}/`).slice(0, -1)}`;
  const other = `"},{"rel":"bookmark","href":${JSON.stringify(`${links.unversioned}/${collection}/`).slice(0, -1)}`;
  return (id) => `${self}${id}${other}${id}"}]`;
}

const UUID = /^[0-9a-f-]{36}$/;
/** What is encoded for a URL has nothing to escape in JSON. */
const idInUrl = (id: string): string => (UUID.test(id) ? id : encodeURIComponent(id));

/** `serverBrief` as text. */
export function serverBriefWriter(links: LinkBase): (server: Pick<InstanceView, 'id' | 'name'>) => string {
  const linksOf = linksWriter(links, 'servers');
  return ({ id, name }) => `{"id":${quoted(id)},"name":${quoted(name)},"links":${linksOf(idInUrl(id))}}`;
}

/** Words of one state, as the text they make: a page has a handful of states. */
interface Words { readonly words: DerivedStatus; readonly head: string; readonly progress: string; readonly tail: string }
function wordsWriter(): (instance: InstanceView) => Words {
  const known = new Map<string, Words>();
  return (instance) => {
    const { intent, step, rebootCount, observedRebootCount, rebootType, hostId, observedState, rebuilding, moveKind, movePhase, launchedAt, terminatedAt } = instance;
    const key = `${intent} ${step} ${rebootCount > observedRebootCount} ${rebootType} ${hostId === null} ${observedState} ${rebuilding} ${moveKind} ${movePhase} ${launchedAt === null} ${terminatedAt === null}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const words = deriveStatus(instance);
    const made: Words = {
      words, head: `,"status":"${words.status}"`, progress: words.progress === undefined ? '' : `,"progress":${words.progress}`,
      tail: `,"OS-EXT-STS:task_state":${textOrNull(words.taskState)},"OS-EXT-STS:vm_state":"${words.vmState}","OS-EXT-STS:power_state":${words.powerState}`,
    };
    known.set(key, made);
    return made;
  };
}

/** `serverEntry` as text, for many servers of one request. */
export function serverEntryWriter(context: ServerContext): (instance: InstanceView) => string {
  const { version, links, isAdmin } = context;
  const linksOf = linksWriter(links, 'servers');
  const imageOf = ((before: string) => (id: string): string => `${before}${idInUrl(id)}"}]}`)(`,"links":[{"rel":"bookmark","href":${JSON.stringify(`${links.unversioned}/images/`).slice(0, -1)}`);
  const embedded = has(version, 'server.embedded-flavor');
  const flavorOf = remembered<Flavor>((flavor) => JSON.stringify(embedded ? embeddedFlavor(flavor) : { id: flavor.id, links: [bookmark(links, 'flavors', flavor.id)] }));
  const wordsOf = wordsWriter();
  const locked = has(version, 'server.locked');
  const description = has(version, 'server.description');
  const tags = has(version, 'server.tags');
  const certificates = has(version, 'server.trusted-certificates') ? ',"trusted_image_certificates":null' : '';
  const lockedReason = has(version, 'server.locked-reason');
  const hostname = has(version, 'server.hostname');
  const more = isAdmin && has(version, 'server.more-attributes');
  const withHostStatus = isAdmin && has(version, 'server.host-status');
  const pinned = has(version, 'server.pinned-zone');

  const ownerOf = repeated((project: string, user: string, hostName: string | null) => ({ owner: `,"tenant_id":${quoted(project)},"user_id":${quoted(user)},"metadata":`, host: `,"hostId":"${hostIdOf(project, hostName)}"` }));
  const builtOf = repeated((imageId: string, flavor: Flavor) => `,"image":{"id":${quoted(imageId)}${imageOf(imageId)},"flavor":${flavorOf(flavor)},"created":"`);
  const zoneOf = repeated((zone: string, configDrive: boolean, key: string | null) =>
    `,"OS-EXT-AZ:availability_zone":${quoted(zone)},"config_drive":${configDrive ? '"True"' : '""'},"key_name":${textOrNull(key)},"OS-SRV-USG:launched_at":`);
  const hostBefore = repeated((host: string | null) => `,"OS-EXT-SRV-ATTR:host":${textOrNull(host)},"OS-EXT-SRV-ATTR:instance_name":`);
  const hostAfter = repeated((host: string | null) => `,"OS-EXT-SRV-ATTR:hypervisor_hostname":${textOrNull(host)}`);
  const rest = repeated((host: string | null) => `,"OS-EXT-SRV-ATTR:kernel_id":"","OS-EXT-SRV-ATTR:ramdisk_id":"","OS-EXT-SRV-ATTR:root_device_name":${host === null ? 'null' : '"/dev/vda"'}`);

  const ofHost = (instance: InstanceView): string => {
    const { hostName } = instance;
    const said = `${hostBefore(hostName)}${quoted(instanceName(instance))}${hostAfter(hostName)}`;
    if (!more) return said;
    // From 2.90 on the hostname is everyone's, and stands among what all see.
    return `${said},"OS-EXT-SRV-ATTR:reservation_id":${quoted(instance.reservationId)},"OS-EXT-SRV-ATTR:launch_index":${instance.launchIndex}${hostname ? '' : `,"OS-EXT-SRV-ATTR:hostname":${quoted(instance.hostname)}`}${rest(hostName)}`;
  };

  return (instance) => {
    const { words, head, progress, tail } = wordsOf(instance);
    const { owner, host } = ownerOf(instance.projectId, instance.userId, instance.hostName);
    const fault = instance.fault === null ? undefined : shownFault(instance, words, isAdmin);
    const before = `{"id":${quoted(instance.id)},"name":${quoted(instance.name)}${head}${owner}${JSON.stringify(instance.metadata)}${host}${builtOf(instance.imageId, instance.flavor)}${secondsZ(instance.createdAt)
    }","updated":"${secondsZ(instance.updatedAt)}","addresses":{},"accessIPv4":"","accessIPv6":"","links":${linksOf(idInUrl(instance.id))},"OS-DCF:diskConfig":"${DISK_CONFIG}"${progress}${
      fault === undefined ? '' : `,"fault":${JSON.stringify(fault)}`}`;
    const since = `${locked ? (instance.locked ? ',"locked":true' : ',"locked":false') : ''}${description ? `,"description":${textOrNull(instance.description)}` : ''}${
      tags ? (instance.tags.length === 0 ? ',"tags":[]' : `,"tags":${JSON.stringify(instance.tags)}`) : ''}${certificates}${lockedReason ? `,"locked_reason":${textOrNull(instance.lockedReason)}` : ''}${
      hostname ? `,"OS-EXT-SRV-ATTR:hostname":${quoted(instance.hostname)}` : ''}`;
    const extended = `${zoneOf(instance.availabilityZone ?? instance.requestedZone ?? '', instance.configDrive, instance.keyName)}${microsOrNull(instance.launchedAt)},"OS-SRV-USG:terminated_at":${microsOrNull(instance.terminatedAt)
    }${isAdmin ? ofHost(instance) : ''}${tail},"os-extended-volumes:volumes_attached":[]${withHostStatus ? `,"host_status":"${hostStatus(instance, context.hostOf)}"` : ''}${
      pinned ? `,"pinned_availability_zone":${textOrNull(instance.requestedZone)}` : ''}`;
    return `${before}${since}${extended}${more ? `,"OS-EXT-SRV-ATTR:user_data":${textOrNull(instance.userData)}` : ''}}`;
  };
}

/** Entries written in one go: a millisecond or two. */
const WRITTEN_AT_ONCE = 250;

/** The answer of a list as its servers come: pieces of its JSON text, between which whoever writes a long one lets others have their turn. */
export interface ServerListText {
  /** The next servers; none is a list too. */
  entries(instances: readonly InstanceView[], context: ServerContext): Generator<string>;
  end(): string;
}

export function serverListText(detail: boolean, page: PageAsked, links: LinkBase): ServerListText {
  const ids: string[] = [];
  let begun = false;
  return {
    * entries(instances, context) {
      const write = detail ? serverEntryWriter(context) : serverBriefWriter(links);
      if (!begun) yield '{"servers":[';
      begun = true;
      for (let at = 0; at < instances.length; at += WRITTEN_AT_ONCE) {
        const some = instances.slice(at, at + WRITTEN_AT_ONCE);
        const comma = ids.length === 0 ? '' : ',';
        for (const { id } of some) ids.push(id);
        yield `${comma}${some.map(write).join(',')}`;
      }
    },
    end() {
      const next = nextLinks(links, detail ? 'servers/detail' : 'servers', page, ids);
      return next === undefined ? ']}' : `],"servers_links":${JSON.stringify(next)}}`;
    },
  };
}

/** The whole answer of a list. */
export function* serverListPieces(instances: readonly InstanceView[], detail: boolean, page: PageAsked, context: ServerContext): Generator<string> {
  const text = serverListText(detail, page, context.links);
  yield* text.entries(instances, context);
  yield text.end();
}
