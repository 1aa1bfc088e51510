/**
 * A machine becomes a host: it shows a one-time token and its public key, and gets its rights on the bus.
 * What must survive is on disk before the question leaves, so a lost answer is asked for again with the same identity.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { joinHost, PROTOCOL } from '#libs/contracts';
import { EXIT, FatalError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { AGENT_VERSION } from '../version.js';
import { ensureIdentity, saveIdentity, type JoinedIdentity } from './identity.js';

export interface JoinOptions {
  /** Base of the cloud's public port, without a path. */
  readonly url: string;
  readonly token: string;
  readonly name: string;
  readonly simulated: boolean;
  readonly stateDir: string;
  readonly signal?: AbortSignal;
}

/** @returns the identity, and whether it was a member before. @throws FatalError in words for the operator */
export async function join(options: JoinOptions): Promise<{ identity: JoinedIdentity; already: boolean }> {
  if (!joinHost.input.shape.name.safeParse(options.name).success) throw new FatalError(`${JSON.stringify(options.name)} is not usable as a host's name: letters, digits, '-' and '.', at most 63`, EXIT.usage);
  const identity = await ensureIdentity(options.stateDir, options.name, options.simulated);
  if (identity.membership) return { identity: { ...identity, membership: identity.membership }, already: true };
  const { hostId, name, publicNkey, simulated } = identity;
  const answer = await ask(options, { token: options.token, hostId, name, publicNkey, simulated, protocol: PROTOCOL, agentVersion: AGENT_VERSION });
  const checked = joinHost.output.safeParse(answer);
  if (!checked.success || checked.data.hostId !== hostId) throw new FatalError(`${options.url} did not answer as a Skylite does; is this its public address?`, EXIT.failure);
  const { cellId, cloudId, natsUrls, natsUserJwt, availabilityZone } = checked.data;
  const joined = { ...identity, membership: { cellId, cloudId, natsUrls, natsUserJwt, availabilityZone } };
  await saveIdentity(options.stateDir, joined);
  return { identity: joined, already: false };
}

async function ask(options: JoinOptions, body: unknown): Promise<unknown> {
  const url = `${options.url.replace(/\/+$/, '')}/v1/hosts/join`;
  const patientUntil = performance.now() + LIMITS.joinPatienceMs;
  for (;;) {
    const { response, text } = await askOnce(options, url, body);
    const parsed = parse(text);
    if (response.ok) return parsed;
    // Many machines join at the same moment: each has its turn.
    if (response.status === 429 && performance.now() < patientUntil) {
      await sleep(1_000 * (Number(response.headers.get('retry-after')) || 1) * (0.5 + Math.random()), undefined, options.signal && { signal: options.signal });
      continue;
    }
    const said = (parsed as { error?: { message?: unknown } } | null)?.error?.message;
    throw new FatalError(`the cloud refused this host (${response.status}): ${typeof said === 'string' ? said : 'no reason given'}`, EXIT.failure);
  }
}

async function askOnce(options: JoinOptions, url: string, body: unknown): Promise<{ response: Response; text: string }> {
  try {
    const deadline = AbortSignal.timeout(LIMITS.joinMs);
    const response = await fetch(url, {
      method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json' }, body: JSON.stringify(body), redirect: 'error',
      signal: options.signal ? AbortSignal.any([options.signal, deadline]) : deadline,
    });
    return { response, text: await response.text() };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : (error as Error).message;
    throw new FatalError(`${url} cannot be reached: ${cause}; the same command may be repeated`, EXIT.failure, { cause: error });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
