/** The `skylite` command: a client of the public API with the operator's own credentials, and of this machine's home. */
import { parseArgs } from 'node:util';
import { ConfigError, loadCommandConfig } from '#libs/config';
import { ApiClient, credentialsFrom } from '../client.js';
import { baseUrlOf, Home, repository } from '../up/home.js';
import { UpError } from '../up/progress.js';
import { auditTrail } from './audit.js';
import { deviceAttach, deviceDetach } from './device-attach.js';
import { deviceClass, devicePool } from './device-definitions.js';
import { deviceHistoryOf, deviceList, deviceRelease, deviceRescan, deviceShow } from './devices.js';
import { doctor } from './doctor.js';
import { adoptServer, clean, drift } from './drift.js';
import { hostEnroll, hostList } from './host.js';
import { inspectServer } from './inspect.js';
import { hostEvacuate, hostFence, hostPowerSet, hostRestart, hostShow, hostUnfence } from './lost-hosts.js';
import { policyExplain, policyRules } from './policy.js';
import { keysList, keysRotate } from './keys.js';
import { adopt, restored } from './restore.js';
import { hostTopology } from './topology.js';

const HELP = `usage: skylite COMMAND

  host list                      hosts: zone, state, what is used of what there is
  host enroll [--zone Z] [--ttl S]
                                 prints a one-time token; on the new machine: skylite-agent join URL TOKEN
  host show HOST                 since when and why it is not there, its fence, its servers, what happened
  host fence HOST --confirm "how it was verified that it is off" [--machine [--force]]
                                 gives a lost host up, so that its servers may be rebuilt elsewhere or deleted
                                 (--machine: cuts its power first, as told by power-set)
  host evacuate HOST             rebuilds the servers of a fenced host elsewhere
  host unfence HOST              takes it back: it is told what is gone from it
  host power-set HOST --kind ipmi|redfish --address A --username U --password-file F [--remove]
  host restart HOST auto|alone|leased
                                 may it start servers after a boot before it has heard from the cloud?
  host topology HOST [--all] [--json]
                                 sockets, cells, cores, pages, cards, VFs, IOMMU groups, and who has what
  device class list|create|set|delete [NAME …]
                                 what flavors ask for (pci_passthrough:alias=NAME:1); matches by --vendor, --product, --pci-class, …
                                 ('device class' and 'device pool' alone tell all their words)
  device pool list|create|set|delete [NAME …] [--dry-run] [--yes-really] [--wait]
                                 which functions of which hosts are given to servers: so many VFs of each PF, or whole;
                                 --dry-run: only what it would do, and whom it would hit; --wait: until hosts are done with it
  device list [--host H] [--class C] [--pool P] [--state S,…] [--kind pf|vf|function] [--holder SERVER] [--all]
  device show ID|ADDRESS|IDENTITY [--host H]
  device history ID|ADDRESS|IDENTITY [--host H] | --server ID
                                 who had it from when to when, and what happened to it
  device release ID|ADDRESS|IDENTITY [--host H] --confirm "what was done, and how it was verified"
                                 says that a device in quarantine is clean and sound
  device attach SERVER CLASS [--count N] [--vlan V] [--tag T] [--wait]
                                 gives a server that runs or is off more devices of its host; told in numbers when there are none
  device detach SERVER ATTACHMENT|DEVICE|TAG [--wait]
                                 takes them from it; a guest that does not let go has them until it is off
  device rescan [HOST]           makes lost rows of devices anew from servers and hosts; frees nothing
                                 (all of these take --json)
  restored                       says that the database was restored from a backup: hosts only report from then on
  adopt [HOST...] [--confirm "why this database is the right one"]
                                 what hosts remember against what the database says; with --confirm it follows them
  drift [HOST]                   what differs between intent, hosts' memory, hypervisors and disks
  clean ORPHAN [--host H] --confirm "why nobody needs it"
                                 has its host remove a domain or files that belong to no server
  adopt-server ORPHAN [--host H] --confirm "why it is a server"
                                 makes a server of a domain that belongs to none
  inspect server ID|NAME [--full]
                                 intent, step, what it waits for, last error, and the host's own view
                                 (--full: its ledger and the domain's XML too)
  audit [--user U] [--project P] [--action users:create|users:] [--outcome denied] [--target ID] [--since TIME] [--before TIME] …
        [--limit N] [--jsonl] [--follow]
                                 who did what, on what, from where, with what outcome
  policy explain --user U [--project P | --domain D | --system] --rule R
        [--of-project ID] [--of-user ID] [--of-domain ID] [--role NAME]
                                 may they, and why (not); of something that is not theirs: --of-…
  policy rules [PART]            every rule, and who may by it
  keys list                      the keys that sign tokens
  keys rotate [--drop-old --confirm "why all tokens must end now"]
                                 a new one, published before it signs; the old one verifies until its last token has ended
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
  if (first === 'restored' && second === undefined) return restored(home, settings, config.path);
  if (first === 'keys' && second === 'list' && rest.length === 0) return keysList(api);
  if (first === 'keys' && second === 'rotate') return keysRotate(api, rest);
  if (first === 'audit') return auditTrail(api, args.slice(1));
  if (first === 'policy' && second === 'explain') return policyExplain(api, rest);
  if (first === 'policy' && second === 'rules') return policyRules(api, rest);
  if (first === 'drift') return drift(api, args.slice(1));
  if (first === 'clean') return clean(api, args.slice(1));
  if (first === 'adopt-server') return adoptServer(api, args.slice(1));
  if (first === 'adopt') return adopt(api, args.slice(1));
  const onDevices = { class: deviceClass, pool: devicePool, list: deviceList, show: deviceShow, history: deviceHistoryOf, release: deviceRelease, rescan: deviceRescan, attach: deviceAttach, detach: deviceDetach }[second ?? ''];
  if (first === 'device' && onDevices) return onDevices(api, rest);
  if (first === 'host' && second === 'topology') return hostTopology(api, rest);
  if (first === 'host' && second === 'fence') return hostFence(api, rest);
  if (first === 'host' && second === 'power-set') return hostPowerSet(api, rest);
  if (first === 'host' && second === 'restart') return hostRestart(api, rest);
  const onHost = { show: hostShow, unfence: hostUnfence, evacuate: hostEvacuate }[second ?? ''];
  if (first === 'host' && onHost && rest.length === 1 && rest[0]) return onHost(api, rest[0]);
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
