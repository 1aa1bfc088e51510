/** `down`: stops the control plane and the agents. `--purge` removes guests and data after a question (`--yes` answers it). */
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { ConfigError, loadCommandConfig } from '#libs/config';
import { down } from './down.js';
import { Home, repository } from './home.js';
import { lockHome } from './lock.js';
import { oneLine, say, UpError } from './progress.js';

const HELP = `usage: npm run down -- [--purge [--yes]]

Stops the control plane and the agents. Guests, their libvirtd and namespaces stay and are found again at the next up.

  --purge   then removes all guests, images and data of this Skylite, after a question
  --yes     answers the question
`;

try {
  const { values } = parseArgs({ args: process.argv.slice(2), options: { purge: { type: 'boolean', default: false }, yes: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } } });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  const home = new Home(loadCommandConfig(repository).home);
  if (!home.exists) throw new UpError(`there is no Skylite in ${home.dir}.`, 'Set SKYLITE_HOME if it lives elsewhere.');
  if (values.purge && !values.yes) await confirm(home);
  home.make();
  const unlock = lockHome(home);
  try {
    await down(home, { purge: values.purge });
  } finally {
    unlock();
  }
  say(values.purge ? `The Skylite of ${home.dir} is gone, guests and data with it.` : 'Skylite is down. Guests go on; `npm run up` finds them again.');
  process.exit(0);
} catch (error) {
  process.stderr.write(`skylite: ${describe(error)}\n`);
  process.exit(1);
}

function describe(error: unknown): string {
  if (error instanceof UpError) return `${error.message} ${error.cure}`.trim();
  if (error instanceof ConfigError) return error.message;
  const { code, message } = error instanceof Error ? error as NodeJS.ErrnoException : { code: '', message: String(error) };
  if (code?.startsWith('ERR_PARSE_ARGS')) return `${message.split('.')[0]}. Run \`npm run down -- --help\` for what there is.`;
  return `${oneLine(message)}.${code === 'EACCES' || code === 'EPERM' ? ' Run it as root: `sudo npm run down`.' : ' Mend that, then run down again.'}`;
}

async function confirm(home: Home): Promise<void> {
  if (!process.stdin.isTTY) throw new UpError('--purge needs an answer and there is no terminal.', 'Add --yes if you mean it.');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`This removes every guest, image and row of ${home.dir}. Type yes to go on: `);
  terminal.close();
  if (answer.trim() !== 'yes') throw new UpError('nothing was removed.', '');
}
