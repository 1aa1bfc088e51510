#!/usr/bin/env node
/**
 * skylite-agent: makes a compute host of a machine. Owns the command line; no logic of its own.
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { loadAgentConfig, loadFleetConfig } from '#libs/config';
import { fleet } from './commands/fleet.js';
import { describeFailure } from './commands/process.js';
import { run } from './commands/run.js';
import { EXIT, FatalError } from './errors.js';
import { join } from './session/join.js';
import { AGENT_VERSION } from './version.js';

const USAGE = `usage: skylite-agent [run]                      run this host's agent (default)
       skylite-agent join URL TOKEN [--name N]  make this machine a host of the cloud at URL (TOKEN may be @FILE)
       skylite-agent fleet                      run purely simulated hosts, for trying things at scale
       skylite-agent version

Settings are environment variables SKYLITE_*; SKYLITE_STATE_DIR says where this host keeps what it knows.
`;

async function main(args: readonly string[]): Promise<number> {
  const [command = 'run', ...rest] = args;
  switch (command) {
    case 'run': return run(loadAgentConfig());
    case 'fleet': return fleet(loadFleetConfig());
    case 'join': return joinCommand(rest);
    case 'version': case '--version':
      process.stdout.write(`skylite-agent ${AGENT_VERSION}\n`);
      return 0;
    case 'help': case '--help': case '-h':
      process.stdout.write(USAGE);
      return 0;
    default: throw new FatalError(`unknown command ${JSON.stringify(command)}\n${USAGE}`, EXIT.usage);
  }
}

async function joinCommand(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const [url, token] = positionals;
  if (url === undefined || token === undefined || positionals.length > 2 || !URL.canParse(url)) throw new FatalError(USAGE, EXIT.usage);
  const { identity, already } = await join({ url, token: readToken(token), name: values.name ?? hostname(), simulated: false, stateDir: loadAgentConfig().stateDir });
  const { name, hostId, membership } = identity;
  process.stdout.write(already
    ? `this machine is a host already: ${name} (${hostId}), zone ${membership.availabilityZone}\n`
    : `joined as ${name} (${hostId}), zone ${membership.availabilityZone}; start the agent with 'skylite-agent run'\n`);
  return 0;
}

/** `@FILE` keeps the token out of the process list. */
function readToken(word: string): string {
  if (!word.startsWith('@')) return word;
  try {
    return readFileSync(word.slice(1), 'utf8').trim();
  } catch (error) {
    throw new FatalError(`the token's file ${word.slice(1)} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`, EXIT.usage);
  }
}

function parse(args: readonly string[]): { values: { name?: string | undefined }; positionals: string[] } {
  try {
    return parseArgs({ args: [...args], options: { name: { type: 'string' } }, allowPositionals: true, strict: true });
  } catch (error) {
    throw new FatalError(`${(error as Error).message}\n${USAGE}`, EXIT.usage);
  }
}

main(process.argv.slice(2)).then((code) => process.exit(code), (error: unknown) => {
  const { line, code } = describeFailure(error);
  process.stderr.write(`skylite-agent: ${line.trimEnd()}\n`);
  process.exit(code);
});
