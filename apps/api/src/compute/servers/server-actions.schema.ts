/** The bodies of POST /servers/{id}/action, one per action. An action without a body takes anything as its value, as Nova's do. */
import { z } from 'zod';
import { has, pythonRepr, type Microversion } from '#libs/openstack';
import { base64, description, flag, metadata, name, uuid } from '../../http/input-types.js';
import { versioned, type VersionedSchema } from '../../http/read-input.js';
import { LIMITS } from '../../limits.js';
import { RdpConsoleBody, SerialConsoleBody, SpiceConsoleBody, VncConsoleBody } from '../consoles/consoles.schema.js';
import { certificates, diskConfig, hostname, hostOrDomain } from './server-parts.schema.js';

const bare = (key: string) => z.strictObject({ [key]: z.unknown() });
const same = <S extends z.ZodType>(schema: S): VersionedSchema<S> => () => schema;

const personality = z.array(z.strictObject({ path: z.string().optional(), contents: base64(LIMITS.userDataChars).optional() }));
const rebuild = (version: Microversion) => z.strictObject({
  rebuild: z.strictObject({
    imageRef: uuid,
    name: name.optional(), adminPass: z.string().optional(), metadata: metadata.optional(), preserve_ephemeral: flag.optional(),
    'OS-DCF:diskConfig': diskConfig.optional(), accessIPv4: z.ipv4().optional(), accessIPv6: z.ipv6().optional(),
    ...(!has(version, 'server-rebuild.user-data') && { personality: personality.optional() }),
    ...(has(version, 'server.description') && { description: description(255).optional() }),
    ...(has(version, 'server-rebuild.key-name') && { key_name: z.string().min(1).max(255).nullable().optional() }),
    ...(has(version, 'server-rebuild.user-data') && { user_data: base64(LIMITS.userDataChars).nullable().optional() }),
    ...certificates(version), ...hostname(version),
  }),
});

const evacuate = (version: Microversion) => z.strictObject({
  evacuate: z.strictObject({
    host: hostOrDomain.optional(), adminPass: z.string().optional(),
    ...(!has(version, 'server-evacuate.no-shared-storage') && { onSharedStorage: flag }),
    ...(has(version, 'server-evacuate.force') && !has(version, 'server-evacuate.no-force') && { force: flag.optional() }),
  }),
});

export const BODIES = {
  'os-start': same(bare('os-start')), 'os-stop': same(bare('os-stop')),
  pause: same(bare('pause')), unpause: same(bare('unpause')), suspend: same(bare('suspend')), resume: same(bare('resume')),
  unlock: same(bare('unlock')), confirmResize: same(bare('confirmResize')), revertResize: same(bare('revertResize')), forceDelete: same(bare('forceDelete')),
  reboot: same(z.strictObject({ reboot: z.strictObject({ type: z.enum(['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft']) }) })),
  /** Until 2.72 whatever it carries means nothing. */
  lock: versioned((version) => z.strictObject({
    lock: has(version, 'server.locked-reason') ? z.strictObject({ locked_reason: z.string().min(1).max(255).optional() }).nullable() : z.unknown(),
  })),
  rebuild: versioned(rebuild),
  resize: same(z.strictObject({ resize: z.strictObject({ flavorRef: z.union([z.string().min(1).max(255), z.int()]), 'OS-DCF:diskConfig': diskConfig.optional() }) })),
  /** Until 2.55 whatever it carries means nothing. */
  migrate: versioned((version) => z.strictObject({
    migrate: has(version, 'server-migrate.host') ? z.strictObject({ host: hostOrDomain.nullable().optional() }).nullable() : z.unknown(),
  })),
  evacuate: versioned(evacuate),
  'os-resetState': same(z.strictObject({ 'os-resetState': z.strictObject({ state: z.enum(['active', 'error']) }) })),
  'os-getConsoleOutput': same(z.strictObject({
    'os-getConsoleOutput': z.strictObject({
      length: z.union([z.int().min(-1), z.string().regex(/^-?[0-9]+$/), z.null()])
        .transform((value) => (value === null ? -1 : Number(value)))
        .refine((value) => value >= -1, { error: (issue) => `${pythonRepr(issue.input)} is less than the minimum of -1` })
        .optional(),
    }),
  })),
} as const;

/** Until 2.5 console URLs were actions too. */
const CONSOLES = [VncConsoleBody, SpiceConsoleBody, RdpConsoleBody, SerialConsoleBody];

/** Any one of them, for the document; which one it is decides how it is checked. */
export const ServerActionBody = versioned((version) => z.union([
  ...Object.values(BODIES).map((schema) => (schema as VersionedSchema)(version)), ...(version.below('2.6') ? CONSOLES : []),
] as [z.ZodType, z.ZodType, ...z.ZodType[]]));
