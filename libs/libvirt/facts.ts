// Facts of libvirt's wire protocol that Skylite uses. Written by deploy/build/libvirt-facts.mjs from libvirt 9.0.0; not edited
// by hand. Numbers and shapes are append-only in libvirt: what is here works with older and newer daemons.
import type { XdrType } from './xdr-types.js';

export const LIBVIRT_VERSION = '9.0.0';
/** SHA-256 of FACTS as JSON: a hand edit shows without libvirt's sources. */
export const FACTS_DIGEST = 'deb90a6ede993fa1ee8ad148b7afadded980f96de00db744d7aba86f7f88cdaa';

export const PROGRAMS = {
  remote: { program: 0x20008086, version: 1 },
  keepalive: { program: 0x6b656570, version: 1 },
} as const;
export const KEEPALIVE = { ping: 1, pong: 2 } as const;
export const MESSAGE_TYPE = { call: 0, reply: 1, message: 2, stream: 3, streamHole: 6 } as const;
export const MESSAGE_STATUS = { ok: 0, error: 1, continue: 2 } as const;
/** Bytes: a whole frame with its length word; a header without it; the data of one stream packet. */
export const WIRE_LIMITS = { frame: 33554436, header: 24, streamData: 262120 } as const;

export const text = { string: 4194304 } as const;
export const optionalText = { optional: text } as const;
export const uuid = { opaque: 16 } as const;
export const domain = { struct: { name: text, uuid: uuid, id: 'i32' } } as const;
export const optionalDomain = { optional: domain } as const;
export const typedParam = { struct: { field: text, value: { union: { 1: 'i32', 2: 'u32', 3: 'i64', 4: 'u64', 5: 'f64', 6: 'i32', 7: text } } } } as const;

export const MESSAGE = {
  header: { struct: { prog: 'u32', vers: 'u32', proc: 'i32', type: 'i32', serial: 'u32', status: 'i32' } },
  error: { struct: { code: 'i32', domain: 'i32', message: optionalText, level: 'i32', dom: optionalDomain, str1: optionalText, str2: optionalText, str3: optionalText, int1: 'i32', int2: 'i32', net: { optional: { struct: { name: text, uuid: uuid } } } } },
} as const satisfies Record<string, XdrType>;

interface Procedure { readonly number: number; readonly args: XdrType | null; readonly ret: XdrType | null }
export const PROCEDURES = {
  CONNECT_OPEN: { number: 1, args: { struct: { name: optionalText, flags: 'u32' } }, ret: null },
  CONNECT_CLOSE: { number: 2, args: null, ret: null },
  CONNECT_GET_VERSION: { number: 4, args: null, ret: { struct: { hv_ver: 'u64' } } },
  CONNECT_GET_HOSTNAME: { number: 59, args: null, ret: { struct: { hostname: text } } },
  NODE_GET_INFO: { number: 6, args: null, ret: { struct: { model: { array: 'i8', length: 32 }, memory: 'u64', cpus: 'i32', mhz: 'i32', nodes: 'i32', sockets: 'i32', cores: 'i32', threads: 'i32' } } },
  CONNECT_GET_CAPABILITIES: { number: 7, args: null, ret: { struct: { capabilities: text } } },
  CONNECT_SUPPORTS_FEATURE: { number: 60, args: { struct: { feature: 'i32' } }, ret: { struct: { supported: 'i32' } } },
  AUTH_LIST: { number: 66, args: null, ret: { struct: { types: { list: 'i32', max: 20 } } } },
  CONNECT_GET_LIB_VERSION: { number: 157, args: null, ret: { struct: { lib_ver: 'u64' } } },
  CONNECT_GET_URI: { number: 110, args: null, ret: { struct: { uri: text } } },
  CONNECT_GET_DOMAIN_CAPABILITIES: { number: 342, args: { struct: { emulatorbin: optionalText, arch: optionalText, machine: optionalText, virttype: optionalText, flags: 'u32' } }, ret: { struct: { capabilities: text } } },
  CONNECT_BASELINE_HYPERVISOR_CPU: { number: 394, args: { struct: { emulator: optionalText, arch: optionalText, machine: optionalText, virttype: optionalText, xmlCPUs: { list: text, max: 256 }, flags: 'u32' } }, ret: { struct: { cpu: text } } },
  CONNECT_LIST_ALL_DOMAINS: { number: 273, args: { struct: { need_results: 'i32', flags: 'u32' } }, ret: { struct: { domains: { list: domain, max: 16384 }, ret: 'u32' } } },
  DOMAIN_LOOKUP_BY_NAME: { number: 23, args: { struct: { name: text } }, ret: { struct: { dom: domain } } },
  DOMAIN_LOOKUP_BY_UUID: { number: 24, args: { struct: { uuid: uuid } }, ret: { struct: { dom: domain } } },
  DOMAIN_GET_XML_DESC: { number: 14, args: { struct: { dom: domain, flags: 'u32' } }, ret: { struct: { xml: text } } },
  DOMAIN_GET_INFO: { number: 16, args: { struct: { dom: domain } }, ret: { struct: { state: 'u8', maxMem: 'u64', memory: 'u64', nrVirtCpu: 'u16', cpuTime: 'u64' } } },
  DOMAIN_GET_STATE: { number: 212, args: { struct: { dom: domain, flags: 'u32' } }, ret: { struct: { state: 'i32', reason: 'i32' } } },
  DOMAIN_DEFINE_XML_FLAGS: { number: 350, args: { struct: { xml: text, flags: 'u32' } }, ret: { struct: { dom: domain } } },
  DOMAIN_CREATE_XML: { number: 10, args: { struct: { xml_desc: text, flags: 'u32' } }, ret: { struct: { dom: domain } } },
  DOMAIN_CREATE_WITH_FLAGS: { number: 196, args: { struct: { dom: domain, flags: 'u32' } }, ret: { struct: { dom: domain } } },
  DOMAIN_SHUTDOWN_FLAGS: { number: 258, args: { struct: { dom: domain, flags: 'u32' } }, ret: null },
  DOMAIN_REBOOT: { number: 27, args: { struct: { dom: domain, flags: 'u32' } }, ret: null },
  DOMAIN_RESET: { number: 245, args: { struct: { dom: domain, flags: 'u32' } }, ret: null },
  DOMAIN_DESTROY_FLAGS: { number: 234, args: { struct: { dom: domain, flags: 'u32' } }, ret: null },
  DOMAIN_UNDEFINE_FLAGS: { number: 231, args: { struct: { dom: domain, flags: 'u32' } }, ret: null },
  DOMAIN_SUSPEND: { number: 34, args: { struct: { dom: domain } }, ret: null },
  DOMAIN_RESUME: { number: 28, args: { struct: { dom: domain } }, ret: null },
  DOMAIN_SET_METADATA: { number: 264, args: { struct: { dom: domain, type: 'i32', metadata: optionalText, key: optionalText, uri: optionalText, flags: 'u32' } }, ret: null },
  DOMAIN_GET_METADATA: { number: 265, args: { struct: { dom: domain, type: 'i32', uri: optionalText, flags: 'u32' } }, ret: { struct: { metadata: text } } },
  DOMAIN_MANAGED_SAVE: { number: 182, args: { struct: { dom: domain, flags: 'u32' } }, ret: null },
  DOMAIN_MANAGED_SAVE_REMOVE: { number: 184, args: { struct: { dom: domain, flags: 'u32' } }, ret: null },
  CONNECT_GET_ALL_DOMAIN_STATS: { number: 344, args: { struct: { doms: { list: domain, max: 16384 }, stats: 'u32', flags: 'u32' } }, ret: { struct: { retStats: { list: { struct: { dom: domain, params: { list: typedParam, max: 262144 } } }, max: 16384 } } } },
  DOMAIN_OPEN_CONSOLE: { number: 201, args: { struct: { dom: domain, dev_name: optionalText, flags: 'u32' } }, ret: null },
  DOMAIN_ATTACH_DEVICE_FLAGS: { number: 160, args: { struct: { dom: domain, xml: text, flags: 'u32' } }, ret: null },
  DOMAIN_DETACH_DEVICE_ALIAS: { number: 392, args: { struct: { dom: domain, alias: text, flags: 'u32' } }, ret: null },
  CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY: { number: 316, args: { struct: { eventID: 'i32', dom: optionalDomain } }, ret: { struct: { callbackID: 'i32' } } },
  CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY: { number: 317, args: { struct: { callbackID: 'i32' } }, ret: null },
} as const satisfies Record<string, Procedure>;

/** Domain events: the id they are registered by, the number their messages come with. */
export const EVENTS = {
  lifecycle: { id: 0, number: 318, message: { struct: { callbackID: 'i32', msg: { struct: { dom: domain, event: 'i32', detail: 'i32' } } } } },
  reboot: { id: 1, number: 319, message: { struct: { callbackID: 'i32', msg: { struct: { dom: domain } } } } },
  tunable: { id: 17, number: 346, message: { struct: { callbackID: 'i32', dom: domain, params: { list: typedParam, max: 2048 } } } },
  deviceRemoved: { id: 15, number: 333, message: { struct: { callbackID: 'i32', msg: { struct: { dom: domain, devAlias: text } } } } },
  deviceAdded: { id: 19, number: 354, message: { struct: { callbackID: 'i32', dom: domain, devAlias: text } } },
  deviceRemovalFailed: { id: 22, number: 367, message: { struct: { callbackID: 'i32', dom: domain, devAlias: text } } },
} as const satisfies Record<string, { readonly id: number; readonly number: number; readonly message: XdrType }>;

export const DOMAIN_STATES = ['nostate', 'running', 'blocked', 'paused', 'shutdown', 'shutoff', 'crashed', 'pmsuspended'] as const;
/** Reasons by state, in the order of their numbers. */
export const STATE_REASONS = {
  running: [
    'unknown', 'booted', 'migrated', 'restored', 'from-snapshot', 'unpaused', 'migration-canceled', 'save-canceled', 'wakeup', 'crashed',
    'postcopy', 'postcopy-failed',
  ],
  paused: [
    'unknown', 'user', 'migration', 'save', 'dump', 'ioerror', 'watchdog', 'from-snapshot', 'shutting-down', 'snapshot', 'crashed',
    'starting-up', 'postcopy', 'postcopy-failed',
  ],
  shutdown: ['unknown', 'user'],
  shutoff: ['unknown', 'shutdown', 'destroyed', 'crashed', 'migrated', 'saved', 'failed', 'from-snapshot', 'daemon'],
  crashed: ['unknown', 'panicked'],
} as const;
/** Lifecycle events in the order of their numbers, each with its details in the order of theirs. */
export const LIFECYCLE = {
  defined: ['added', 'updated', 'renamed', 'from-snapshot'],
  undefined: ['removed', 'renamed'],
  started: ['booted', 'migrated', 'restored', 'from-snapshot', 'wakeup'],
  suspended: ['paused', 'migrated', 'ioerror', 'watchdog', 'restored', 'from-snapshot', 'api-error', 'postcopy', 'postcopy-failed'],
  resumed: ['unpaused', 'migrated', 'from-snapshot', 'postcopy', 'postcopy-failed'],
  stopped: ['shutdown', 'destroyed', 'crashed', 'migrated', 'saved', 'failed', 'from-snapshot'],
  shutdown: ['finished', 'guest', 'host'],
  pmsuspended: ['memory', 'disk'],
  crashed: ['panicked', 'crashloaded'],
} as const;

export const FLAGS = {
  listDomains: {
    active: 1, inactive: 2, persistent: 4, transient: 8, running: 16, paused: 32, shutoff: 64, other: 128, managedsave: 256,
    noManagedsave: 512, autostart: 1024, noAutostart: 2048, hasSnapshot: 4096, noSnapshot: 8192, hasCheckpoint: 16384, noCheckpoint: 32768,
  },
  start: {
    paused: 1, autodestroy: 2, bypassCache: 4, forceBoot: 8, validate: 16, resetNvram: 32,
  },
  save: {
    bypassCache: 1, running: 2, paused: 4, resetNvram: 8,
  },
  define: {
    validate: 1,
  },
  xml: {
    secure: 1, inactive: 2, updateCpu: 4, migratable: 8,
  },
  shutdown: {
    acpiPowerBtn: 1, guestAgent: 2, initctl: 4, signal: 8, paravirt: 16,
  },
  reboot: {
    acpiPowerBtn: 1, guestAgent: 2, initctl: 4, signal: 8, paravirt: 16,
  },
  destroy: {
    graceful: 1, removeLogs: 2,
  },
  undefine: {
    managedSave: 1, snapshotsMetadata: 2, nvram: 4, keepNvram: 8, checkpointsMetadata: 16, tpm: 32, keepTpm: 64,
  },
  affect: {
    live: 1, config: 2,
  },
  stats: {
    state: 1, cpuTotal: 2, balloon: 4, vcpu: 8, interface: 16, block: 32, perf: 64, iothread: 128, memory: 256, dirtyrate: 512, vm: 1024,
  },
  baselineCpu: {
    expandFeatures: 1, migratable: 2,
  },
  allStats: {
    active: 1, inactive: 2, persistent: 4, transient: 8, running: 16, paused: 32, shutoff: 64, other: 128, nowait: 536870912,
    backing: 1073741824, enforceStats: 2147483648,
  },
  console: {
    force: 1, safe: 2,
  },
} as const;

export const ERROR_LEVELS = ['none', 'warning', 'error'] as const;
const names = [
  'OK', 'INTERNAL_ERROR', 'NO_MEMORY', 'NO_SUPPORT', 'UNKNOWN_HOST', 'NO_CONNECT', 'INVALID_CONN', 'INVALID_DOMAIN', 'INVALID_ARG',
  'OPERATION_FAILED', 'GET_FAILED', 'POST_FAILED', 'HTTP_ERROR', 'SEXPR_SERIAL', 'NO_XEN', 'XEN_CALL', 'OS_TYPE', 'NO_KERNEL', 'NO_ROOT',
  'NO_SOURCE', 'NO_TARGET', 'NO_NAME', 'NO_OS', 'NO_DEVICE', 'NO_XENSTORE', 'DRIVER_FULL', 'CALL_FAILED', 'XML_ERROR', 'DOM_EXIST',
  'OPERATION_DENIED', 'OPEN_FAILED', 'READ_FAILED', 'PARSE_FAILED', 'CONF_SYNTAX', 'WRITE_FAILED', 'XML_DETAIL', 'INVALID_NETWORK',
  'NETWORK_EXIST', 'SYSTEM_ERROR', 'RPC', 'GNUTLS_ERROR', 'WAR_NO_NETWORK', 'NO_DOMAIN', 'NO_NETWORK', 'INVALID_MAC', 'AUTH_FAILED',
  'INVALID_STORAGE_POOL', 'INVALID_STORAGE_VOL', 'WAR_NO_STORAGE', 'NO_STORAGE_POOL', 'NO_STORAGE_VOL', 'WAR_NO_NODE',
  'INVALID_NODE_DEVICE', 'NO_NODE_DEVICE', 'NO_SECURITY_MODEL', 'OPERATION_INVALID', 'WAR_NO_INTERFACE', 'NO_INTERFACE',
  'INVALID_INTERFACE', 'MULTIPLE_INTERFACES', 'WAR_NO_NWFILTER', 'INVALID_NWFILTER', 'NO_NWFILTER', 'BUILD_FIREWALL', 'WAR_NO_SECRET',
  'INVALID_SECRET', 'NO_SECRET', 'CONFIG_UNSUPPORTED', 'OPERATION_TIMEOUT', 'MIGRATE_PERSIST_FAILED', 'HOOK_SCRIPT_FAILED',
  'INVALID_DOMAIN_SNAPSHOT', 'NO_DOMAIN_SNAPSHOT', 'INVALID_STREAM', 'ARGUMENT_UNSUPPORTED', 'STORAGE_PROBE_FAILED', 'STORAGE_POOL_BUILT',
  'SNAPSHOT_REVERT_RISKY', 'OPERATION_ABORTED', 'AUTH_CANCELLED', 'NO_DOMAIN_METADATA', 'MIGRATE_UNSAFE', 'OVERFLOW', 'BLOCK_COPY_ACTIVE',
  'OPERATION_UNSUPPORTED', 'SSH', 'AGENT_UNRESPONSIVE', 'RESOURCE_BUSY', 'ACCESS_DENIED', 'DBUS_SERVICE', 'STORAGE_VOL_EXIST',
  'CPU_INCOMPATIBLE', 'XML_INVALID_SCHEMA', 'MIGRATE_FINISH_OK', 'AUTH_UNAVAILABLE', 'NO_SERVER', 'NO_CLIENT', 'AGENT_UNSYNCED', 'LIBSSH',
  'DEVICE_MISSING', 'INVALID_NWFILTER_BINDING', 'NO_NWFILTER_BINDING', 'INVALID_DOMAIN_CHECKPOINT', 'NO_DOMAIN_CHECKPOINT',
  'NO_DOMAIN_BACKUP', 'INVALID_NETWORK_PORT', 'NETWORK_PORT_EXIST', 'NO_NETWORK_PORT', 'NO_HOSTNAME', 'CHECKPOINT_INCONSISTENT',
  'MULTIPLE_DOMAINS',
] as const;
export type ErrorName = (typeof names)[number];
/** Error names by number; a number past the end is a newer libvirt's. */
export const ERROR_NAMES: readonly (ErrorName | undefined)[] = names;

export const FACTS = {
  procedures: PROCEDURES, events: EVENTS, message: MESSAGE, limits: WIRE_LIMITS, programs: PROGRAMS, states: DOMAIN_STATES,
  reasons: STATE_REASONS, lifecycle: LIFECYCLE, errorNames: names, levels: ERROR_LEVELS, flags: FLAGS,
} as const;
