import { Body, Query, type PipeTransform } from '@nestjs/common';
import type { z } from 'zod';
import { SkyError } from '#libs/errors';
import { HttpError } from './http-error.js';
import { problemsOf, type InputProblem } from './input-problems.js';

/** An input that its schema refuses; the filter words it as the service of the path does. */
export class InvalidInput extends SkyError {
  constructor(readonly problems: readonly InputProblem[]) {
    super('bad-request', problems[0]?.problem ?? 'The input is not valid.');
  }
}

/** Checks against a schema and passes on what the schema makes of it. */
export function parseInput<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const result = schema.safeParse(input);
  if (!result.success) throw new InvalidInput(problemsOf(result.error.issues, input));
  return result.data;
}

class ZodPipe implements PipeTransform {
  constructor(private readonly schema: z.ZodType, private readonly part: 'body' | 'query') {}

  transform(value: unknown): unknown {
    if (this.part === 'body') {
      if (value === undefined || value === null) throw new SkyError('bad-request', 'A JSON body is required.');
      if (typeof (value as { pipe?: unknown }).pipe === 'function') throw new HttpError(415, 'The body of this request must be JSON (Content-Type: application/json).');
    }
    return parseInput(this.schema, value);
  }
}

/** The request's JSON body, checked; refusals come in the service's words. */
export const ZodBody = (schema: z.ZodType): ParameterDecorator => Body({ schema, pipes: [new ZodPipe(schema, 'body')] });

/** The query: every value is a string, or a list of strings where the client repeated the name. */
export const ZodQuery = (schema: z.ZodType): ParameterDecorator => Query({ schema, pipes: [new ZodPipe(schema, 'query')] });
