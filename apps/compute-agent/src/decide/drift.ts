/**
 * What differs between the wish, the ledger, libvirt and the disk, in words for people. Pure. Owns no correction: what is
 * corrected, and what is only said, is the plan's business (docs/drift.md has the table).
 */
import type { DriftEntry } from '#libs/contracts';
import { diskName } from '../files/disk-names.js';
import type { InstanceFacts, World } from './facts.js';
import type { InstancePlan } from './plan.js';
import { builtOf, isActive, isOfOtherCpus, lostCpus } from './state.js';

export type Drift = Omit<DriftEntry, 'sinceMs'>;

/** Errors that have a kind of their own here. */
const KIND_OF_ERROR: Readonly<Record<string, string>> = { 'disk-lost': 'disk-missing', 'previous-lost': 'disk-missing', 'guest-halted': 'guest-halted', 'foreign-domain': 'foreign-domain' };

export function driftOf(facts: InstanceFacts, plan: Pick<InstancePlan, 'steps' | 'doing' | 'state' | 'error'>, world: Pick<World, 'cpus'>): Drift[] {
  const { desired, domain, files, progress, listed } = facts;
  const found: Drift[] = [];
  const say = (kind: string, what: string): void => { found.push({ kind, id: desired.id, what }); };
  if (!listed) say('unlisted', 'The control plane does not name this instance; it is watched and left as it is.');
  if (plan.error?.final) say(KIND_OF_ERROR[plan.error.code] ?? 'given-up', plan.error.code === 'disk-lost' ? `${plan.error.message} Looked for: ${diskName(desired.diskGeneration)} in its folder.` : plan.error.message);
  if (domain?.definition && progress.definition && progress.definition !== domain.definition && progress.definition !== domain.definitionWithDevices) {
    say('changed-definition', 'Its definition in libvirt is not the one it was given: somebody edited or undefined it. It stays until the instance is resized or rebuilt.');
  } else if (domain?.retuned) say('changed-definition', 'Its guest runs on other CPUs or memory of the host than was claimed for it: somebody changed that (virsh vcpupin or its like). It is as claimed again when the guest is started anew.');
  const lost = lostCpus(facts, world);
  if (domain && lost.length > 0) say('outdated-cpus', `CPU ${lost.join(', ')} was claimed for it alone and is not among this host's dedicated CPUs any more (SKYLITE_CPU_DEDICATED): give it back, or move the server.`);
  else if (isActive(facts) && isOfOtherCpus(facts, world)) say('outdated-cpus', `Its guest was started when this host's shared CPUs were ${domain?.notes?.sharedCpus || 'all'}; now they are ${world.cpus.shared || 'all'} (SKYLITE_CPU_SHARED). It is confined to them when it is started anew.`);
  const built = builtOf(facts);
  if (isActive(facts) && built && !files.disks.includes(built.diskGeneration)) say('disk-missing', 'The disk that its guest has open is not in its folder any more: it is lost when the guest ends.');
  if (isActive(facts) && facts.devices?.kind === 'refused') say('device-trouble', `It runs on, and would not be given its devices again: ${facts.devices.message}`);
  const wantedOn = desired.intent === 'running' || desired.intent === 'paused' || desired.intent === 'suspended';
  const isAtRest = plan.steps.length === 0 && plan.doing === null && plan.error === null && listed;
  const saved = plan.state === 'stopped' && domain?.saved === true;
  if (wantedOn && isAtRest && (plan.state === 'stopped' || plan.state === 'crashed')) {
    say('ended-by-itself', `It shall be ${desired.intent}, and its guest ${plan.state === 'crashed' ? 'crashed' : 'ended by itself or by somebody on the host'}. It is started when somebody asks${saved ? ', and goes on from the memory that was saved' : ''}.`);
  } else if (saved && isAtRest) {
    say('saved-memory', 'It is off, and its guest\'s memory was saved on the host (virsh managedsave). Its next start goes on from there; until then, or until the memory is removed, it is not moved or resized.');
  }
  return found;
}

/** What this host has and its ledger does not know: shown, never touched. */
export function strangers(known: { has(id: string): boolean }, domains: readonly { id: string; name: string }[], folders: Iterable<string>): Drift[] {
  const unknown = domains.filter(({ id }) => !known.has(id));
  const named = new Set(unknown.map(({ id }) => id));
  return [
    ...unknown.map(({ id, name }) => ({ kind: 'orphan-domain', id, what: `The domain ${name} carries this cloud's notes and is not in this host's ledger.` })),
    ...[...folders].filter((id) => !known.has(id) && !named.has(id)).map((id) => ({ kind: 'orphan-files', id, what: 'Files of an instance that this host\'s ledger does not know.' })),
  ];
}
