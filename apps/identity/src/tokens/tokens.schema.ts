import { z } from 'zod';
import { name as anyName } from '../http/text.js';
import { LIMITS } from '../limits.js';

const name = anyName.min(1);
const idOrName = 'Expecting to find id or name here';

const DomainRef = z.strictObject({ id: name.optional(), name: name.optional() })
  .refine((it) => it.id !== undefined || it.name !== undefined, `${idOrName}.`);

const named = { id: name.optional(), name: name.optional(), domain: DomainRef.optional() };
const complete = (it: { id?: string | undefined; name?: string | undefined; domain?: unknown }): boolean =>
  it.id !== undefined || (it.name !== undefined && it.domain !== undefined);

export const ProjectRef = z.strictObject(named).refine(complete, `${idOrName}; a name needs its domain.`);
export const PasswordUser = z.strictObject({ ...named, password: z.string().max(LIMITS.passwordChars) }).refine(complete, `${idOrName}; a name needs its domain.`);

/** By its id, or by its name and whose it is. */
export const ApplicationCredentialProof = z.strictObject({
  id: name.optional(), name: name.optional(), user: z.strictObject(named).refine(complete, `${idOrName}; a name needs its domain.`).optional(),
  secret: z.string().max(LIMITS.secretChars),
}).refine((it) => it.id !== undefined || (it.name !== undefined && it.user !== undefined), `${idOrName}; a name needs its user.`);

const ScopeKinds = z.strictObject({
  project: ProjectRef.optional(),
  domain: DomainRef.optional(),
  system: z.strictObject({ all: z.literal(true) }).optional(),
  unscoped: z.strictObject({}).optional(),
}).refine((scope) => Object.values(scope).filter((kind) => kind !== undefined).length === 1,
  'Expecting exactly one of project, domain, system and unscoped.');

/** `"scope": "unscoped"` is how Keystone's own client asks for no scope although there is a default project. */
export const Scope = z.preprocess((scope) => (scope === 'unscoped' ? { unscoped: {} } : scope), ScopeKinds);
export type Scope = z.output<typeof Scope>;

/** Each method's own part is checked by its strategy. */
export const AuthRequest = z.strictObject({
  auth: z.strictObject({
    identity: z.looseObject({ methods: z.array(z.string().min(1).max(64)).min(1).max(LIMITS.authMethods) }),
    scope: Scope.optional(),
  }),
});
export type AuthRequest = z.output<typeof AuthRequest>;

/** `?nocatalog`, with or without a value. `allow_expired` is true by any of the words that OpenStack takes for it. */
export const TokenQuery = z.object({
  nocatalog: z.string().optional(),
  allow_expired: z.string().optional().transform((text) => ['1', 't', 'true', 'on', 'y', 'yes'].includes(text?.trim().toLowerCase() ?? '')),
});
export type TokenQuery = z.output<typeof TokenQuery>;
