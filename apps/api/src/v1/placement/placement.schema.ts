import { z } from 'zod';
import { askCapacity, FitAnswer, ImageId, InstanceId, Layout, PlacementExplanation, PlacementRules } from '#libs/contracts';
import { TenantDevice } from '../servers/server.schema.js';

const Explanation = PlacementExplanation.extend({ filters: z.array(PlacementExplanation.shape.filters.element.extend({ hosts: PlacementExplanation.shape.filters.element.shape.hosts.optional() })) });

export const FitBody = z.strictObject({
  /** A flavor's id. */
  flavor: z.string().min(1).max(255),
  /** An image's id; without it only what the flavor says counts. */
  image: ImageId.nullable().default(null),
  count: z.int().min(1).max(1_000).default(1),
  availability_zone: z.string().min(1).max(255).nullable().default(null),
  /** Its name; for admins. */
  host: z.string().min(1).max(255).nullable().default(null),
  /** A server group's id. */
  group: z.uuid().nullable().default(null),
  same_host: z.array(InstanceId).max(100).default([]),
  different_host: z.array(InstanceId).max(100).default([]),
});

/** hosts: for admins. */
export const FitView = z.object({ asked: z.int(), fits: z.int(), most: z.int(), zones: z.array(z.object({ name: z.string(), count: z.int() })), hosts: FitAnswer.shape.hosts.optional(), explanation: Explanation.nullable() });
export const CapacityView = askCapacity.output;
export const PolicyView = z.object({ policy: PlacementRules });

/** host, host names and the host's numbers in the layout: for admins. */
export const SchedulingView = z.object({
  server: InstanceId, step: z.string(),
  placed: z.object({
    host: z.string().optional(), availabilityZone: z.string().nullable(), at: z.string().nullable(), resources: z.record(z.string(), z.int()),
    layout: z.union([Layout, z.object({ cells: z.array(z.object({ memoryMib: z.int(), pageKib: z.int().nullable(), pinned: z.array(z.int()), floating: z.array(z.int()) })), devices: z.array(TenantDevice).optional() })]).nullable(),
  }).nullable(),
  explanation: Explanation.nullable(),
});
