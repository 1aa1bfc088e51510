/**
 * Redfish: HTTPS, with a session where the service offers one and basic authentication where not. The server is known by an
 * authority or by its certificate's fingerprint; nothing is sent before it is.
 */
import { request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { unavailable } from '#libs/errors';
import { LOOK_AGAIN_MS, pause, type FenceAgent, type PowerSettings, type Proof } from './fence-agent.js';

const MAX_BYTES = 1024 * 1024;

interface Answer { status: number; headers: Record<string, string | string[] | undefined>; body: Record<string, unknown> }
type Auth = Record<string, string>;

export class RedfishAgent implements FenceAgent {
  constructor(private readonly lookAgainMs = LOOK_AGAIN_MS) {}

  async powerOff(settings: PowerSettings, signal: AbortSignal): Promise<Proof> {
    const { auth, session } = await this.#logIn(settings, signal);
    try {
      const path = settings.options.systemPath ?? (await this.#onlySystem(settings, auth, signal));
      const state = async (): Promise<string> => String((await this.#ok(settings, 'GET', path, auth, undefined, signal)).body['PowerState']);
      let now = await state();
      if (now !== 'Off') {
        const answer = await this.#ask(settings, 'POST', `${path.replace(/\/$/, '')}/Actions/ComputerSystem.Reset`, auth, { ResetType: 'ForceOff' }, signal);
        // Refused because it just went off is as good; what counts is what the machine says of itself.
        if (answer.status >= 400 && answer.status !== 409) throw unavailable(`Redfish at ${settings.address} refused to cut the power: ${answer.status} ${messageOf(answer.body)}`);
        for (now = await state(); now !== 'Off'; now = await state()) await pause(this.lookAgainMs, signal);
      }
      return { text: `Redfish at ${settings.address}: ${path} says PowerState ${now}` };
    } finally {
      if (session !== undefined) await this.#ask(settings, 'DELETE', session, auth, undefined, AbortSignal.timeout(3_000)).catch(() => undefined);
    }
  }

  async #logIn(settings: PowerSettings, signal: AbortSignal): Promise<{ auth: Auth; session: string | undefined }> {
    const { username, password } = settings;
    const answer = await this.#ask(settings, 'POST', '/redfish/v1/SessionService/Sessions', {}, { UserName: username, Password: password }, signal);
    const token = answer.headers['x-auth-token'];
    if (answer.status < 300 && typeof token === 'string') {
      const location = answer.headers['location'];
      return { auth: { 'x-auth-token': token }, session: typeof location === 'string' ? new URL(location, `https://${settings.address}`).pathname : undefined };
    }
    return { auth: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }, session: undefined };
  }

  async #onlySystem(settings: PowerSettings, auth: Auth, signal: AbortSignal): Promise<string> {
    const { body } = await this.#ok(settings, 'GET', '/redfish/v1/Systems', auth, undefined, signal);
    const members = Array.isArray(body['Members']) ? (body['Members'] as { '@odata.id'?: unknown }[]) : [];
    const path = members[0]?.['@odata.id'];
    if (members.length !== 1 || typeof path !== 'string') throw unavailable(`Redfish at ${settings.address} has ${members.length} systems: name one with --system-path.`);
    return path;
  }

  async #ok(settings: PowerSettings, method: string, path: string, auth: Auth, body: unknown, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#ask(settings, method, path, auth, body, signal);
    if (answer.status >= 300) throw unavailable(`Redfish at ${settings.address} answered ${answer.status} to ${method} ${path}: ${messageOf(answer.body)}`);
    return answer;
  }

  #ask({ address, options }: PowerSettings, method: string, path: string, auth: Auth, body: unknown, signal: AbortSignal): Promise<Answer> {
    const pinned = options.certificateSha256;
    const url = new URL(path, `https://${address}`);
    if (url.host !== new URL(`https://${address}`).host) return Promise.reject(unavailable(`Redfish at ${address} points elsewhere: ${path.slice(0, 200)}`));
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => reject(unavailable(`Redfish at ${address} cannot be asked: ${error.message}`));
      const text = body === undefined ? undefined : JSON.stringify(body);
      const call = request(url, {
        method, signal, timeout: 10_000, agent: false, rejectUnauthorized: pinned === undefined,
        headers: { accept: 'application/json', ...auth, ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }) },
      }, (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => { bytes += chunk.length; if (bytes > MAX_BYTES) call.destroy(new Error('its answer is too long')); else chunks.push(chunk); });
        response.on('error', fail);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: parse(Buffer.concat(chunks).toString('utf8')) }));
      });
      call.on('timeout', () => call.destroy(new Error('no answer in time')));
      call.on('error', fail);
      if (pinned === undefined) {
        call.end(text);
        return;
      }
      // Nothing leaves before the other side is known.
      call.on('socket', (socket) => (socket as TLSSocket).once('secureConnect', () => {
        const seen = (socket as TLSSocket).getPeerCertificate().fingerprint256?.replaceAll(':', '').toLowerCase();
        if (seen === pinned) call.end(text);
        else call.destroy(new Error(`its certificate is another one (SHA-256 ${seen ?? 'none'})`));
      }));
    });
  }
}

function parse(text: string): Record<string, unknown> {
  try {
    return (JSON.parse(text) ?? {}) as Record<string, unknown>;
  } catch {
    return {};
  }
}

const messageOf = (body: Record<string, unknown>): string => String((body['error'] as { message?: unknown } | undefined)?.message ?? '').slice(0, 300);
