// Writes libs/libvirt/facts.ts from a libvirt source tree: numbers and shapes of the calls Skylite uses, nothing else.
//
//   node deploy/build/libvirt-facts.mjs <libvirt source folder> [--check]
//
// A developer gets the folder with `apt-get source libvirt`. Skylite does not carry libvirt's files: the table is ours.
// To use a new call: add its name to CALLS, run this, and write the typed method in libs/libvirt/calls.ts.
// With --check nothing is written; the exit code says whether the committed table is what the source gives.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CALLS = [
  'CONNECT_OPEN', 'CONNECT_CLOSE', 'CONNECT_GET_VERSION', 'CONNECT_GET_HOSTNAME', 'NODE_GET_INFO', 'CONNECT_GET_CAPABILITIES',
  'CONNECT_SUPPORTS_FEATURE', 'AUTH_LIST', 'CONNECT_GET_LIB_VERSION', 'CONNECT_GET_URI', 'CONNECT_GET_DOMAIN_CAPABILITIES',
  'CONNECT_BASELINE_HYPERVISOR_CPU',
  'CONNECT_LIST_ALL_DOMAINS', 'DOMAIN_LOOKUP_BY_NAME', 'DOMAIN_LOOKUP_BY_UUID', 'DOMAIN_GET_XML_DESC', 'DOMAIN_GET_INFO', 'DOMAIN_GET_STATE',
  'DOMAIN_DEFINE_XML_FLAGS', 'DOMAIN_CREATE_XML', 'DOMAIN_CREATE_WITH_FLAGS', 'DOMAIN_SHUTDOWN_FLAGS', 'DOMAIN_REBOOT', 'DOMAIN_RESET',
  'DOMAIN_DESTROY_FLAGS', 'DOMAIN_UNDEFINE_FLAGS', 'DOMAIN_SUSPEND', 'DOMAIN_RESUME', 'DOMAIN_SET_METADATA', 'DOMAIN_GET_METADATA',
  'DOMAIN_MANAGED_SAVE', 'DOMAIN_MANAGED_SAVE_REMOVE', 'CONNECT_GET_ALL_DOMAIN_STATS', 'DOMAIN_OPEN_CONSOLE',
  'DOMAIN_ATTACH_DEVICE_FLAGS', 'DOMAIN_DETACH_DEVICE_ALIAS',
  'CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY',
  'CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY',
];
const EVENTS = ['LIFECYCLE', 'REBOOT', 'TUNABLE', 'DEVICE_REMOVED', 'DEVICE_ADDED', 'DEVICE_REMOVAL_FAILED'];
const FLAGS = {
  listDomains: ['virConnectListAllDomainsFlags', 'VIR_CONNECT_LIST_DOMAINS_'],
  start: ['virDomainCreateFlags', 'VIR_DOMAIN_START_'],
  save: ['virDomainSaveRestoreFlags', 'VIR_DOMAIN_SAVE_'],
  define: ['virDomainDefineFlags', 'VIR_DOMAIN_DEFINE_'],
  xml: ['virDomainXMLFlags', 'VIR_DOMAIN_XML_'],
  shutdown: ['virDomainShutdownFlagValues', 'VIR_DOMAIN_SHUTDOWN_'],
  reboot: ['virDomainRebootFlagValues', 'VIR_DOMAIN_REBOOT_'],
  destroy: ['virDomainDestroyFlagsValues', 'VIR_DOMAIN_DESTROY_'],
  undefine: ['virDomainUndefineFlagsValues', 'VIR_DOMAIN_UNDEFINE_'],
  affect: ['virDomainModificationImpact', 'VIR_DOMAIN_AFFECT_'],
  stats: ['virDomainStatsTypes', 'VIR_DOMAIN_STATS_'],
  baselineCpu: ['virConnectBaselineCPUFlags', 'VIR_CONNECT_BASELINE_CPU_'],
  allStats: ['virConnectGetAllDomainStatsFlags', 'VIR_CONNECT_GET_ALL_DOMAINS_STATS_'],
  console: ['virDomainConsoleFlags', 'VIR_DOMAIN_CONSOLE_'],
};
const STATES = ['NOSTATE', 'RUNNING', 'BLOCKED', 'PAUSED', 'SHUTDOWN', 'SHUTOFF', 'CRASHED', 'PMSUSPENDED'];
const REASONS = { RUNNING: 'Running', PAUSED: 'Paused', SHUTDOWN: 'Shutdown', SHUTOFF: 'Shutoff', CRASHED: 'Crashed' };
const DETAILS = {
  DEFINED: 'Defined', UNDEFINED: 'Undefined', STARTED: 'Started', SUSPENDED: 'Suspended', RESUMED: 'Resumed',
  STOPPED: 'Stopped', SHUTDOWN: 'Shutdown', PMSUSPENDED: 'PMSuspended', CRASHED: 'Crashed',
};
// Named in the .x files but defined in C: the public headers' values, part of libvirt's stable ABI.
const EXTERNAL = {
  VIR_UUID_BUFLEN: 16, VIR_TYPED_PARAM_INT: 1, VIR_TYPED_PARAM_UINT: 2, VIR_TYPED_PARAM_LLONG: 3, VIR_TYPED_PARAM_ULLONG: 4,
  VIR_TYPED_PARAM_DOUBLE: 5, VIR_TYPED_PARAM_BOOLEAN: 6, VIR_TYPED_PARAM_STRING: 7, VIR_SECURITY_MODEL_BUFLEN: 257,
  VIR_SECURITY_LABEL_BUFLEN: 4097, VIR_SECURITY_DOI_BUFLEN: 257,
};
const SCALARS = {
  int: 'i32', unsigned: 'u32', 'unsigned int': 'u32', hyper: 'i64', 'unsigned hyper': 'u64', double: 'f64', char: 'i8',
  'unsigned char': 'u8', short: 'i16', 'unsigned short': 'u16',
};

const [source, check] = process.argv.slice(2);
if (!source || (check && check !== '--check')) {
  console.error('usage: node deploy/build/libvirt-facts.mjs <libvirt source folder> [--check]');
  process.exit(2);
}
const target = join(fileURLToPath(new URL('../..', import.meta.url)), 'libs/libvirt/facts.ts');
const read = (path) => readFileSync(join(source, path), 'utf8');

// ---- the .x files -------------------------------------------------------------------------------------------------
const constants = { ...EXTERNAL };
const declared = new Map(); // name -> () => type

function value(token) {
  if (/^(0x[0-9a-f]+|-?\d+)$/i.test(token)) return Number(token);
  if (!(token in constants)) throw new Error(`unknown constant ${token}`);
  return constants[token];
}

function base(name) {
  const clean = name.trim().replace(/^(struct|enum)\s+/, '').replace(/\s+/g, ' ');
  if (SCALARS[clean]) return SCALARS[clean];
  const found = declared.get(clean);
  if (!found) throw new Error(`unknown type ${clean}`);
  return found();
}

/** "type name", "type *name", "type name[n]", "type name<n>", for `string` and `opaque` too -> [name, () => type] */
function declaration(text) {
  const m = /^(.*?)(\*?)\s*(\w+)\s*(?:\[\s*(\w+)\s*\]|<\s*(\w+)\s*>)?$/s.exec(text.trim());
  if (!m) throw new Error(`cannot read "${text}"`);
  const [, type, star, name, fixed, max] = m;
  const kind = type.trim();
  return [name, () => {
    if (kind === 'string') return { string: value(max) };
    if (kind === 'opaque') return fixed ? { opaque: value(fixed) } : { bytes: value(max) };
    const inner = base(kind);
    if (star) return { optional: inner };
    if (fixed) return { array: inner, length: value(fixed) };
    if (max) return { list: inner, max: value(max) };
    return inner;
  }];
}

function once(make) {
  let made;
  return () => (made ??= make());
}

function parse(text) {
  const clean = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^%.*$/gm, '');
  const pattern = /const\s+(\w+)\s*=\s*(\w+)\s*;|typedef\s+([^;]+);|(struct|enum|union)\s+(\w+)\s*(?:switch\s*\([^)]*\)\s*)?\{([^}]*)\}\s*;/g;
  for (const [, constant, number, typedef, kind, name, body] of clean.matchAll(pattern)) {
    if (constant) constants[constant] = value(number);
    else if (typedef) {
      const [alias, make] = declaration(typedef);
      declared.set(alias, once(make));
    } else if (kind === 'enum') {
      let next = 0;
      for (const entry of body.split(',').map((e) => e.trim()).filter(Boolean)) {
        const [key, given] = entry.split('=').map((e) => e.trim());
        next = given === undefined ? next : value(given);
        constants[key] = next++;
      }
      declared.set(name, () => 'i32');
    } else if (kind === 'struct') {
      const lines = body.split(';').map((l) => l.trim()).filter(Boolean);
      declared.set(name, once(() => ({ struct: Object.fromEntries(lines.map(declaration).map(([field, make]) => [field, make()])) })));
    } else {
      const arms = [...body.matchAll(/case\s+(\w+)\s*:\s*([^;]+);/g)];
      declared.set(name, once(() => ({ union: Object.fromEntries(arms.map(([, label, decl]) => [value(label), declaration(decl)[1]()])) })));
    }
  }
}
parse(read('src/rpc/virnetprotocol.x'));
parse(read('src/rpc/virkeepaliveprotocol.x'));
parse(read('src/remote/remote_protocol.x'));

// ---- the public headers -------------------------------------------------------------------------------------------
const headers = ['libvirt-domain.h', 'libvirt-host.h', 'virterror.h'].map((f) => read(`include/libvirt/${f}`)).join('\n').replace(/\/\*[\s\S]*?\*\//g, '');

/** An enum's names (prefix cut) and numbers; sentinels and zero "default" flags are left to the caller. */
function enumeration(name, prefix) {
  const m = new RegExp(`typedef enum \\{([^}]*)\\}\\s*${name};`).exec(headers);
  if (!m) throw new Error(`no enum ${name}`);
  const body = m[1].replace(/^\s*#\s*ifdef VIR_ENUM_SENTINELS[\s\S]*?#\s*endif/gm, '').replace(/^\s*#.*$/gm, '');
  const out = [];
  let next = 0;
  for (const entry of body.split(',').map((e) => e.trim()).filter(Boolean)) {
    const [key, given] = entry.split('=').map((e) => e.trim());
    if (given !== undefined) {
      const shift = /^\(?\s*1U?\s*<<\s*(\d+)\s*\)?$/.exec(given);
      next = shift ? 2 ** Number(shift[1]) : value(given);
    }
    constants[key] = next;
    if (key.startsWith(prefix)) out.push([key.slice(prefix.length), next]);
    next++;
  }
  return out;
}
const kebab = (name) => name.toLowerCase().replaceAll('_', '-');
const camel = (name) => name.toLowerCase().replace(/_(\w)/g, (_, c) => c.toUpperCase());
const dense = (pairs, rename) => pairs.map(([key, number], i) => {
  if (number !== i) throw new Error(`${key} is ${number}, expected ${i}: the enum has a gap`);
  return rename(key);
});

// ---- the table ----------------------------------------------------------------------------------------------------
const shared = new Map(); // type object -> its name in facts.ts; what is used twice gets a name
const definitions = [];
for (const [source_, name] of [
  ['remote_nonnull_string', 'text'], ['remote_string', 'optionalText'], ['remote_uuid', 'uuid'], ['remote_nonnull_domain', 'domain'],
  ['remote_domain', 'optionalDomain'], ['remote_typed_param', 'typedParam'],
]) {
  const type = base(source_);
  definitions.push(`export const ${name} = ${show(type)} as const;`);
  shared.set(JSON.stringify(type), name);
}
function show(type) {
  if (typeof type === 'string') return `'${type}'`;
  const known = shared.get(JSON.stringify(type));
  if (known) return known;
  const [kind] = Object.keys(type);
  if (kind === 'struct' || kind === 'union') return `{ ${kind}: { ${Object.entries(type[kind]).map(([k, t]) => `${k}: ${show(t)}`).join(', ')} } }`;
  return `{ ${Object.entries(type).map(([k, t]) => `${k}: ${typeof t === 'number' ? t : show(t)}`).join(', ')} }`;
}
const shape = (name) => (declared.has(name) ? base(name) : null);
const procedures = CALLS.map((call) => {
  const stem = `remote_${call.toLowerCase()}`;
  return [call, { number: value(`REMOTE_PROC_${call}`), args: shape(`${stem}_args`), ret: shape(`${stem}_ret`) }];
});
const eventIds = Object.fromEntries(enumeration('virDomainEventID', 'VIR_DOMAIN_EVENT_ID_'));
const events = EVENTS.map((event) => {
  const proc = `DOMAIN_EVENT_CALLBACK_${event}`;
  return [camel(event), { id: eventIds[event], number: value(`REMOTE_PROC_${proc}`), message: base(`remote_${proc.toLowerCase()}_msg`) }];
});
const message = { header: base('virNetMessageHeader'), error: base('virNetMessageError') };
const limits = {
  frame: constants.VIR_NET_MESSAGE_MAX + constants.VIR_NET_MESSAGE_LEN_MAX, header: constants.VIR_NET_MESSAGE_HEADER_MAX,
  streamData: constants.VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX,
};
const programs = {
  remote: { program: value('REMOTE_PROGRAM'), version: value('REMOTE_PROTOCOL_VERSION') },
  keepalive: { program: value('KEEPALIVE_PROGRAM'), version: value('KEEPALIVE_PROTOCOL_VERSION') },
};
const states = dense(STATES.map((s) => [s, enumeration('virDomainState', 'VIR_DOMAIN_').find(([k]) => k === s)[1]]), kebab);
const reasons = Object.fromEntries(Object.entries(REASONS).map(([s, n]) => [kebab(s), dense(enumeration(`virDomain${n}Reason`, `VIR_DOMAIN_${s}_`), kebab)]));
const lifecycle = Object.fromEntries(
  dense(enumeration('virDomainEventType', 'VIR_DOMAIN_EVENT_'), (k) => k)
    .map((e) => [kebab(e), dense(enumeration(`virDomainEvent${DETAILS[e]}DetailType`, `VIR_DOMAIN_EVENT_${e}_`), kebab)]),
);
const errorNames = dense(enumeration('virErrorNumber', 'VIR_'), (k) => k.replace(/^ERR_/, ''));
const levels = dense(enumeration('virErrorLevel', 'VIR_ERR_'), kebab);
const flags = Object.fromEntries(Object.entries(FLAGS).map(([name, [type, prefix]]) => [
  name, Object.fromEntries(enumeration(type, prefix).filter(([, n]) => n !== 0).map(([k, n]) => [camel(k), n])),
]));

const facts = { procedures: Object.fromEntries(procedures), events: Object.fromEntries(events), message, limits, programs, states, reasons, lifecycle, errorNames, levels, flags };
const digest = createHash('sha256').update(JSON.stringify(facts)).digest('hex');
const version = /version:\s*'([\d.]+)'/.exec(read('meson.build'))[1];

function wrap(items, indent = '  ') {
  const lines = [''];
  for (const item of items) {
    if ((lines.at(-1) + item).length > 138) lines.push('');
    lines[lines.length - 1] += `${lines.at(-1) ? ' ' : indent}${item},`;
  }
  return lines.join('\n');
}
const quoted = (names) => names.map((n) => `'${n}'`);
const lists = (object) => Object.entries(object).map(([k, names]) => {
  const line = `  ${k}: [${quoted(names).join(', ')}],`;
  return line.length <= 140 ? line : `  ${k}: [\n${wrap(quoted(names), '    ')}\n  ],`;
}).join('\n');
const text = `// Facts of libvirt's wire protocol that Skylite uses. Written by deploy/build/libvirt-facts.mjs from libvirt ${version}; not edited
// by hand. Numbers and shapes are append-only in libvirt: what is here works with older and newer daemons.
import type { XdrType } from './xdr-types.js';

export const LIBVIRT_VERSION = '${version}';
/** SHA-256 of FACTS as JSON: a hand edit shows without libvirt's sources. */
export const FACTS_DIGEST = '${digest}';

export const PROGRAMS = {
  remote: { program: 0x${programs.remote.program.toString(16)}, version: ${programs.remote.version} },
  keepalive: { program: 0x${programs.keepalive.program.toString(16)}, version: ${programs.keepalive.version} },
} as const;
export const KEEPALIVE = { ping: ${value('KEEPALIVE_PROC_PING')}, pong: ${value('KEEPALIVE_PROC_PONG')} } as const;
export const MESSAGE_TYPE = { ${['CALL', 'REPLY', 'MESSAGE', 'STREAM', 'STREAM_HOLE'].map((n) => `${camel(n)}: ${value(`VIR_NET_${n}`)}`).join(', ')} } as const;
export const MESSAGE_STATUS = { ${['OK', 'ERROR', 'CONTINUE'].map((n) => `${camel(n)}: ${value(`VIR_NET_${n}`)}`).join(', ')} } as const;
/** Bytes: a whole frame with its length word; a header without it; the data of one stream packet. */
export const WIRE_LIMITS = { frame: ${limits.frame}, header: ${limits.header}, streamData: ${limits.streamData} } as const;

${definitions.join('\n')}

export const MESSAGE = {
  header: ${show(message.header)},
  error: ${show(message.error)},
} as const satisfies Record<string, XdrType>;

interface Procedure { readonly number: number; readonly args: XdrType | null; readonly ret: XdrType | null }
export const PROCEDURES = {
${procedures.map(([name, p]) => `  ${name}: { number: ${p.number}, args: ${p.args ? show(p.args) : null}, ret: ${p.ret ? show(p.ret) : null} },`).join('\n')}
} as const satisfies Record<string, Procedure>;

/** Domain events: the id they are registered by, the number their messages come with. */
export const EVENTS = {
${events.map(([name, e]) => `  ${name}: { id: ${e.id}, number: ${e.number}, message: ${show(e.message)} },`).join('\n')}
} as const satisfies Record<string, { readonly id: number; readonly number: number; readonly message: XdrType }>;

export const DOMAIN_STATES = [${quoted(states).join(', ')}] as const;
/** Reasons by state, in the order of their numbers. */
export const STATE_REASONS = {
${lists(reasons)}
} as const;
/** Lifecycle events in the order of their numbers, each with its details in the order of theirs. */
export const LIFECYCLE = {
${lists(lifecycle)}
} as const;

export const FLAGS = {
${Object.entries(flags).map(([k, f]) => `  ${k}: {\n${wrap(Object.entries(f).map(([n, v]) => `${n}: ${v}`), '    ')}\n  },`).join('\n')}
} as const;

export const ERROR_LEVELS = [${quoted(levels).join(', ')}] as const;
const names = [
${wrap(quoted(errorNames))}
] as const;
export type ErrorName = (typeof names)[number];
/** Error names by number; a number past the end is a newer libvirt's. */
export const ERROR_NAMES: readonly (ErrorName | undefined)[] = names;

export const FACTS = {
  procedures: PROCEDURES, events: EVENTS, message: MESSAGE, limits: WIRE_LIMITS, programs: PROGRAMS, states: DOMAIN_STATES,
  reasons: STATE_REASONS, lifecycle: LIFECYCLE, errorNames: names, levels: ERROR_LEVELS, flags: FLAGS,
} as const;
`;
if (check) {
  const same = readFileSync(target, 'utf8') === text;
  console.log(same ? `facts.ts is what libvirt ${version} gives` : `facts.ts differs from what libvirt ${version} gives`);
  process.exit(same ? 0 : 1);
}
writeFileSync(target, text);
console.log(`facts.ts: ${procedures.length} calls, ${events.length} events, libvirt ${version}, digest ${digest.slice(0, 12)}`);
