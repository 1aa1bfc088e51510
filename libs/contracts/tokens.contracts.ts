import { z } from 'zod';
import { Caller, IdentityId, Timestamp } from './common.js';
import { defineContract } from './contract.js';

/** What took tokens away: all columns that are not null must match a token that was made before this was to be seen. */
export const RevocationRow = z.object({
  /** The transaction that wrote it, and its place there: 64-bit numbers as text. */
  xid: z.string(), id: z.string(),
  auditId: z.string().nullable(), auditChainId: z.string().nullable(), userId: z.string().nullable(), projectId: z.string().nullable(),
  domainId: z.string().nullable(), roleId: z.string().nullable(), applicationCredentialId: z.string().nullable(),
  /** Seconds since the epoch by the database's clock, with fractions. */
  issuedBefore: z.number(),
  /** Seconds since the epoch: no token that it concerns lives longer. */
  expiresAt: z.number(),
});
export type RevocationRow = z.output<typeof RevocationRow>;

/**
 * All that a service must know to trust tokens: public keys (Ed25519 JWK; two or more are valid while keys rotate), and what
 * was revoked. Whoever asks without `revocations` gets keys alone; an identity that answers without them knows of none.
 */
export const listTokenKeys = defineContract({
  subject: 'svc.identity.token-keys.list',
  input: z.object({
    revocations: z.object({
      /** The horizon of the last complete round; null: from the beginning. */
      since: z.string().regex(/^\d{1,20}$/).nullable(),
      /** Of the last row that was got, while there are more. */
      after: z.object({ xid: z.string().regex(/^\d{1,20}$/), id: z.string().regex(/^\d{1,19}$/) }).nullable(),
    }).optional(),
  }),
  output: z.object({
    keys: z.array(z.object({ kid: z.string(), x: z.string().describe('base64url of the raw 32-byte public key') })),
    revocations: z.object({
      rows: z.array(RevocationRow),
      /** Ask again at once, after the last row. */
      more: z.boolean(),
      /** Every transaction before it has ended: `since` of the next round, as the first answer of this one says it. */
      horizon: z.string(),
    }).optional(),
  }),
  timeoutMs: 2_000,
});

/** What requests an application credential is good for; no rule: none. */
export const AccessRule = z.object({ service: z.string(), method: z.string(), path: z.string() });
export type AccessRule = z.output<typeof AccessRule>;

/** They never change while the credential lives. */
export const getAccessRules = defineContract({
  subject: 'svc.identity.access-rules.get',
  input: z.object({ applicationCredentialId: IdentityId }),
  output: z.object({ rules: z.array(AccessRule) }),
  timeoutMs: 2_000,
});

/** A key that signs and verifies tokens, without its private half. */
export const TokenKeyView = z.object({
  kid: z.string(),
  /** next: published and not used yet; active: signs; retiring: verifies what it has signed; retired: counts no more. */
  state: z.enum(['next', 'active', 'retiring', 'retired']),
  createdAt: Timestamp, activatesAt: Timestamp,
  /** From then on its tokens count no more; null: not yet known. */
  retiresAt: Timestamp.nullable(),
});
export type TokenKeyView = z.output<typeof TokenKeyView>;

export const viewTokenKeys = defineContract({
  subject: 'svc.identity.token-keys.view',
  input: z.object({ caller: Caller }),
  output: z.object({ keys: z.array(TokenKeyView).describe('the newest first') }),
  timeoutMs: 2_000,
});

/**
 * Makes a new key, publishes it, and signs with it once everybody knows it; the old one verifies until its last token has
 * ended. A repeat while the new key waits is a conflict and changes nothing.
 */
export const rotateTokenKeys = defineContract({
  subject: 'svc.identity.token-keys.rotate',
  input: z.object({ caller: Caller, dropOld: z.boolean().default(false).describe('the old keys are known to a stranger: all tokens end now') }),
  output: z.object({ keys: z.array(TokenKeyView) }),
  timeoutMs: 5_000,
});
