/** The keys that sign tokens. */
import { parseArgs } from 'node:util';
import { ConfigError } from '#libs/config';
import type { TokenKeyView } from '#libs/contracts';
import type { ApiClient } from '../client.js';
import { table } from './table.js';

export async function keysList(api: ApiClient): Promise<number> {
  show((await api.call<{ keys: TokenKeyView[] }>('GET', '/v1/token-keys')).keys);
  return 0;
}

export async function keysRotate(api: ApiClient, args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { 'drop-old': { type: 'boolean', default: false }, confirm: { type: 'string' } } });
  const dropOld = values['drop-old'];
  if (dropOld && (values.confirm ?? '').trim().length < 3) throw new ConfigError('--drop-old ends every token of everybody: say why with --confirm "…".');
  const { keys } = await api.call<{ keys: TokenKeyView[] }>('POST', '/v1/token-keys/rotate', { drop_old: dropOld });
  show(keys);
  process.stdout.write(dropOld ? '\nAll tokens have ended; everybody logs in again.\n' : '\nTokens go on working: the new key signs as soon as it is active, the old one verifies until its last token has ended.\n');
  return 0;
}

const show = (keys: readonly TokenKeyView[]): void => {
  process.stdout.write(`${table(['KEY', 'STATE', 'SIGNS FROM', 'VERIFIES UNTIL'], keys.map(({ kid, state, activatesAt, retiresAt }) => [kid, state, activatesAt, retiresAt ?? '-']))}\n`);
};
