/**
 * Faults that explain themselves: what, where, since when, what to do. The message is for everyone: counts and reasons,
 * no host names. Details are for admins. Pure: the time of the fault is added where it is stored.
 */
import type { ObservedInstance, PlacementExplanation } from '#libs/contracts';

export interface ExplainedFault { code: number; message: string; details: string; placement?: PlacementExplanation }

/** Begins with the words that every client of Nova knows. */
export function refusedFault(explanation: PlacementExplanation): ExplainedFault {
  const reasons = explanation.filters.filter(({ refused }) => refused > 0).map(({ name, refused, reason }) => `${name} refused ${refused}: ${reason}`);
  const considered = explanation.hostsConsidered === 1 ? '1 host was' : `${explanation.hostsConsidered} hosts were`;
  const why = explanation.hostsConsidered === 0 ? 'There is no host to consider.' : `${considered} considered. ${reasons.join('; ')}.`;
  const hosts = explanation.filters.flatMap((filter) => filter.hosts.map((host) => `${host.name}: ${filter.name} needs ${host.needed}, free ${host.free}`));
  return {
    code: 500, message: `No valid host was found. ${why}`.replace(/\.{2,}/g, '.'), placement: explanation,
    details: [
      `Placement on the snapshot of ${explanation.snapshotAt}.`, ...hosts,
      'What to do: ask for less, free or add hosts, then start the server again or delete it.',
    ].join('\n'),
  };
}

/** What of a server's data a host says is gone from it. */
const LOST: ReadonlySet<string> = new Set(['disk-lost', 'previous-lost']);

export function hostFault(error: NonNullable<ObservedInstance['error']>, hostName: string, launched: boolean): ExplainedFault {
  return {
    code: 500, message: `${launched ? 'The host could not do what was asked' : 'Build of the server failed on its host'}: ${error.message}`,
    details: LOST.has(error.code) ? [
      `Host ${hostName} has not found it (${error.code}) since this fault; since when it looks for it, and how the file is called: skylite drift.`,
      'The server keeps its host and its claim. Nothing is built in its place.',
      "What to do: put the disk back into the server's folder on the host (a file system that is not mounted, a folder that was moved), and the server goes on by itself; or rebuild the server from its image; or delete it.",
    ].join('\n') : [
      `Host ${hostName} gave up after ${error.attempts} attempts with ${error.code}.`,
      launched ? 'The server keeps its host and disk.' : 'What was built is removed and the claim is released.',
      'What to do: look at the host (skylite inspect server), then start the server again or delete it.',
    ].join('\n'),
  };
}

export function deadlineFault(about: { what: string; waitedMs: number; lastError: string | null; host: string | null }): ExplainedFault {
  const minutes = Math.round(about.waitedMs / 6_000) / 10;
  return {
    code: 500, message: `${about.what} within ${minutes} minutes.`,
    details: [
      about.lastError === null ? 'No error was reported.' : `The last error was: ${about.lastError}`,
      about.host === null ? 'No host was assigned.' : `Host ${about.host} was alive for all of that time.`,
      'Only time in which database, bus and host could be reached was counted.',
      'What to do: look at the reason (skylite inspect server), then start the server again or delete it.',
    ].join('\n'),
  };
}
