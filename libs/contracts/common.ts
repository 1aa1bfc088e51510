import { z } from 'zod';

/** Servers, images, hosts: dashed UUIDs. Identity's ids: 32 hex digits. Made by the caller's side of a write. */
export const InstanceId = z.uuid().brand<'InstanceId'>();
export type InstanceId = z.output<typeof InstanceId>;
export const HostId = z.uuid().brand<'HostId'>();
export type HostId = z.output<typeof HostId>;
export const ImageId = z.uuid().brand<'ImageId'>();
export type ImageId = z.output<typeof ImageId>;
export const IdentityId = z.string().min(1).max(64);

/** Who asks, as the door established it. Services trust it: only the door and services may publish on `svc.>`. */
export const Caller = z.object({
  userId: IdentityId,
  userName: z.string(),
  /** null: an unscoped token. */
  projectId: IdentityId.nullable(),
  projectName: z.string().nullable(),
  /** Of the project; without one, of the user. */
  domainId: IdentityId,
  /** The token is for a whole domain: that one. */
  scopeDomainId: IdentityId.nullish(),
  /** The token is for the system, which is all there is. */
  isSystem: z.boolean().optional(),
  roles: z.array(z.string()),
  /** Holds the admin role on its scope: may see and act across projects. */
  isAdmin: z.boolean(),
  /** `req-<uuid>`; correlates logs and events. */
  requestId: z.string(),
  /** Where the request came from, as far as the door can tell. */
  address: z.string().max(64).optional(),
  /** The application credential that the token was made with. */
  applicationCredentialId: IdentityId.nullish(),
  /** This request was begun before and what became of it is not known: what was written under its id already is not written again. */
  repeat: z.boolean().optional(),
});
export type Caller = z.output<typeof Caller>;

/** ISO 8601 UTC with milliseconds and Z. Views cut it into each API's own form. */
export const Timestamp = z.iso.datetime();

/** A page by keyset: what follows `marker` in the list's order. */
export const Page = z.object({ limit: z.int().min(1).max(1000).default(1000), marker: z.string().max(255).optional() });
