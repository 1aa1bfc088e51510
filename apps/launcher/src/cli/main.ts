/** The `skylite` command: a client of the public API with the operator's own credentials, and of this machine's home. */
import { parseArgs } from 'node:util';
import { ConfigError, loadCommandConfig } from '#libs/config';
import { ApiClient, credentialsFrom } from '../client.js';
import { baseUrlOf, Home, repository } from '../up/home.js';
import { UpError } from '../up/progress.js';
import { doctor } from './doctor.js';
import { hostEnroll, hostList } from './host.js';
import { inspectServer } from './inspect.js';

const HELP = `usage: skylite COMMAND

  host list                      hosts: zone, state, what is used of what there is
  host enroll [--zone Z] [--ttl S]
                                 prints a one-time token; on the new machine: skylite-agent join URL TOKEN
  inspect server ID|NAME [--full]
                                 intent, step, what it waits for, last error, and the host's own view
                                 (--full: its ledger and the domain's XML too)
  doctor                         checks every part of this machine's Skylite; says what is wrong and the cure

State is looked for in .skylite/ or $SKYLITE_HOME.
`;

async function run(args: string[]): Promise<number> {
  const [first, second, ...rest] = args;
  if (first === undefined || first === 'help' || args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP);
    return first === undefined ? 2 : 0;
  }
  const config = loadCommandConfig(repository);
  const home = new Home(config.home);
  if (first === 'doctor' && second === undefined) return doctor(home);
  const settings = home.readSettings();
  if (!settings) throw new UpError(`there is no Skylite in ${home.dir}.`, 'Start one with `npm run up`, or set SKYLITE_HOME.');
  const api = new ApiClient(baseUrlOf(settings), () => credentialsFrom(home.openrc));
  if (first === 'host' && second === 'list' && rest.length === 0) return hostList(api);
  if (first === 'host' && second === 'enroll') return hostEnroll(api, settings, rest);
  if (first === 'inspect' && second === 'server') {
    const { values, positionals } = parseArgs({ args: rest, allowPositionals: true, options: { full: { type: 'boolean', default: false } } });
    if (positionals.length !== 1 || !positionals[0]) throw new ConfigError('inspect server wants one id or name of a server.');
    return inspectServer(api, positionals[0], values.full);
  }
  process.stderr.write(`skylite: unknown command "${args.join(' ')}".\n\n${HELP}`);
  return 2;
}

const isWrongWord = (error: unknown): error is Error => error instanceof Error && ((error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') ?? false);

try {
  process.exit(await run(process.argv.slice(2)));
} catch (error) {
  const offline = error instanceof TypeError && error.message === 'fetch failed';
  const text = error instanceof UpError ? `${error.message} ${error.cure}`
    : offline ? 'the API does not answer. Start it with `npm run up`, or ask `skylite doctor` why.'
      : isWrongWord(error) ? `${error.message.split('.')[0]}. \`skylite --help\` says what there is.`
        : error instanceof Error ? error.message : String(error);
  process.stderr.write(`skylite: ${text}\n`);
  process.exit(1);
}
