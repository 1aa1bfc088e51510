import { z } from 'zod';
import { AdoptionView, FenceView, HostView, hostServers, inspectHost } from '#libs/contracts';

const statement = z.string().trim().min(3).max(1000);

export const FenceBody = z.strictObject({
  /** How it was verified that the host is off; by machine: why its power is to be cut. */
  statement,
  method: z.enum(['statement', 'machine']).default('statement'),
  /** By machine: also while more than a tenth of the hosts look lost. */
  force: z.boolean().default(false),
});
export const FenceAnswer = z.object({ fence: FenceView });
export const RestartBody = z.strictObject({ restart: z.enum(['auto', 'alone', 'leased']) });
export const PowerBody = z.strictObject({
  kind: z.enum(['ipmi', 'redfish']), address: z.string().min(1).max(255), username: z.string().min(1).max(255), password: z.string().min(1).max(255),
  systemPath: z.string().max(255).optional(), certificateSha256: z.string().regex(/^[0-9a-f]{64}$/).optional(),
});
export const Nothing = z.object({});
export const HostDetails = z.object({ host: HostView, ...inspectHost.output.shape, ...hostServers.output.shape });
export const AdoptBody = z.strictObject({
  /** Ids or names; absent: all that answer. */
  hosts: z.array(z.string().min(1).max(255)).max(2_000).optional(),
  /** Why this database is the right one to go on with. */
  statement,
});
export const AdoptionAnswer = z.object({ adoption: AdoptionView });
