import { SetMetadata } from '@nestjs/common';
import type { z } from 'zod';
import type { VersionText } from '#libs/openstack';
import type { VersionedSchema } from './read-input.js';

type SchemaOf = z.ZodType | VersionedSchema;

/** What a route's line in the OpenAPI document says; the schemas are those that check the requests. */
export interface RouteDescription {
  readonly summary: string;
  readonly body?: SchemaOf;
  /** An object of lists, as readQuery takes it. */
  readonly query?: SchemaOf;
  /** Status codes and what is in their bodies; null: nothing. */
  readonly answers: Readonly<Record<number, SchemaOf | null>>;
  /** The first and the last microversion that has this route. */
  readonly since?: VersionText;
  readonly until?: VersionText;
}

export const DESCRIPTION_METADATA = 'skylite:description';
export const Describe = (description: RouteDescription) => SetMetadata(DESCRIPTION_METADATA, description);
