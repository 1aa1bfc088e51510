import { z } from 'zod';
import { paging } from '../http/queries.js';
import { name } from '../http/text.js';
import { LIMITS } from '../limits.js';

/** A blob is text whose meaning is its type's: JSON for ec2, a certificate, a seed. Some clients send JSON as it is. */
const blob = z.string().max(LIMITS.credentialChars).or(z.record(z.string(), z.unknown()).transform((object) => JSON.stringify(object)))
  .refine((text) => text.length <= LIMITS.credentialChars && !text.includes('\0') && text.isWellFormed(), `A blob is text of at most ${LIMITS.credentialChars} characters.`);
const properties = { blob, type: name.min(1), user_id: name.min(1), project_id: name.nullable().optional() };

export const CreateCredentialBody = z.strictObject({
  credential: z.looseObject(properties).refine((it) => it.type.toLowerCase() !== 'ec2' || typeof it.project_id === 'string', "'project_id' is a required property"),
});
export type CreateCredentialBody = z.output<typeof CreateCredentialBody>;

export const UpdateCredentialBody = z.strictObject({
  credential: z.looseObject({ ...properties, blob: blob.optional(), type: name.min(1).optional(), user_id: name.min(1).optional() }).refine((it) => Object.keys(it).length > 0, '{} does not have enough properties'),
});
export type UpdateCredentialBody = z.output<typeof UpdateCredentialBody>;
export const CREDENTIAL_KEYS = Object.keys(properties);

export const CreateEc2Body = z.strictObject({ tenant_id: name.min(1), trust_id: z.null().optional() });
export type CreateEc2Body = z.output<typeof CreateEc2Body>;

export const CredentialsQuery = z.object({ user_id: name.optional(), type: name.optional(), ...paging });
export type CredentialsQuery = z.output<typeof CredentialsQuery>;
