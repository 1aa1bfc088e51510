import { InstanceId } from '#libs/contracts';
import { notFound } from '#libs/errors';
import { dashed } from '../../http/input-types.js';

/** What cannot be an id is nobody's: clients try names here first and expect 404. */
export function serverIdOf(text: string): InstanceId {
  const id = InstanceId.safeParse(/^[0-9a-fA-F-]{32,36}$/.test(text) ? dashed(text) : text);
  if (!id.success) throw notFound(`Instance ${text} could not be found.`);
  return id.data;
}
