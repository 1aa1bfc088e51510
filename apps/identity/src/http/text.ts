import { Param } from '@nestjs/common';
import { z } from 'zod';
import { notFound } from '#libs/errors';
import { LIMITS } from '../limits.js';

/** PostgreSQL's text holds neither NUL nor halves of characters: nothing can be named so. */
const storable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

/** A name or id as a client gives it. */
export const name = z.string().max(LIMITS.nameChars).refine(storable, 'Names and ids consist of characters.');

/** @throws SkyError `not-found` for what nothing can be named. */
export function idInPath(id: string): string {
  if (!storable(id) || id.length > LIMITS.nameChars) throw notFound('The resource could not be found.');
  return id;
}

/** An id in a path, by the name it has there. */
export const PathId = (param: string): ParameterDecorator => Param(param, { transform: idInPath });

/** The id in a path. */
export const IdParam = (): ParameterDecorator => PathId('id');

/** Any text in a path: a tag. */
export const PathText = PathId;
