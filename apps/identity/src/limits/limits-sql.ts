import { createHash } from 'node:crypto';
import type { PoolClient } from '#libs/db';
import { badRequest } from '#libs/errors';
import type { Ids } from '#libs/http';

/** The conditions of a list: columns that equal what was asked for, after the marker. */
export function filtersOf(equal: Readonly<Record<string, string | undefined>>, idColumn: string, marker: string | undefined): { where: string; values: string[] } {
  const values: string[] = [];
  const conditions = Object.entries(equal).flatMap(([column, value]) => (value === undefined ? [] : [`${column} = $${values.push(value)}`]));
  if (marker !== undefined) conditions.push(`${idColumn} > $${values.push(marker)}`);
  return { where: conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`, values };
}

/** Keystone's refusal of a reference to nothing. */
export async function mustExist(client: PoolClient, target: string, attribute: string, sql: string, id: string): Promise<void> {
  const { rowCount } = await client.query(sql, [id]);
  if (rowCount !== 1) throw noSuch(target, attribute);
}

export const noSuch = (target: string, attribute: string) => badRequest(
  `Expecting to find valid ${attribute} in ${target}. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.`);

/** 32 hex digits; a repeat of the same request makes the same ones. */
export const idFor = (ids: Ids, what: string, place: number): string => createHash('sha256').update(ids.uuid(`${what} ${place}`)).digest('hex').slice(0, 32);
