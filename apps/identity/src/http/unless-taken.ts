import { conflict } from '#libs/errors';

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code;

/** The work, with PostgreSQL's word for a name or id that is taken turned into Keystone's. */
export async function unlessTaken<T>(work: Promise<T>, message: () => string): Promise<T> {
  return work.catch((error: unknown) => {
    throw codeOf(error) === '23505' ? conflict(message()) : error;
  });
}

/** The work, with PostgreSQL's word for something named that is not there (any more) turned into `absent`. */
export async function unlessAbsent<T>(work: Promise<T>, absent: () => Error): Promise<T> {
  return work.catch((error: unknown) => {
    throw codeOf(error) === '23503' ? absent() : error;
  });
}

/** Keystone's words for a second thing of the same name. */
export const duplicateName = (kind: string, name: string, domainId?: string): string =>
  `Conflict occurred attempting to store ${kind} - Duplicate entry found with name ${name}${domainId === undefined ? '' : ` at domain ID ${domainId}`}.`;
