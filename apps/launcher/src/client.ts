import { readFileSync } from 'node:fs';

/** Thrown for an answer that is not 2xx: the service's own words, and what Skylite's own API says besides. */
export class ApiError extends Error {
  constructor(readonly status: number, message: string, readonly details?: Readonly<Record<string, unknown>>) {
    super(message);
    this.name = 'ApiError';
  }
}

interface Credentials { authUrl: string; username: string; password: string; project: string }

/** The public API as any client sees it: what `up` and the `skylite` command use, with no privileges of their own. */
export class ApiClient {
  #token: string | undefined;
  #expiresAtMs = 0;

  constructor(readonly baseUrl: string, private readonly credentials: () => Credentials) {}

  async call<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const response = await this.raw(method, path, body === undefined ? undefined : JSON.stringify(body), { 'content-type': 'application/json', ...headers });
    const text = await response.text();
    if (!response.ok) throw new ApiError(response.status, messageOf(text) ?? `${method} ${path}: ${response.status}`, detailsOf(text));
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  async raw(method: string, path: string, body: string | ReadableStream | undefined, headers: Record<string, string>, timeoutMs = 30_000): Promise<Response> {
    const init: RequestInit & { duplex?: 'half' } = { method, headers: { 'x-auth-token': await this.#authenticate(), accept: 'application/json', ...headers }, signal: AbortSignal.timeout(timeoutMs) };
    if (body !== undefined) Object.assign(init, { body, duplex: 'half' });
    return fetch(this.baseUrl + path, init);
  }

  async #authenticate(): Promise<string> {
    if (this.#token && Date.now() < this.#expiresAtMs - 60_000) return this.#token;
    const { authUrl, username, password, project } = this.credentials();
    const response = await fetch(`${authUrl}/auth/tokens`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, signal: AbortSignal.timeout(10_000),
      body: JSON.stringify({ auth: { identity: { methods: ['password'], password: { user: { name: username, domain: { id: 'default' }, password } } }, scope: { project: { name: project, domain: { id: 'default' } } } } }),
    });
    const text = await response.text();
    if (!response.ok) throw new ApiError(response.status, messageOf(text) ?? `authentication failed (${response.status})`);
    this.#token = response.headers.get('x-subject-token') ?? '';
    this.#expiresAtMs = Date.parse((JSON.parse(text) as { token: { expires_at: string } }).token.expires_at);
    return this.#token;
  }
}

/** Credentials from the file that `. openrc` loads. */
export function credentialsFrom(openrc: string): Credentials {
  const text = readFileSync(openrc, 'utf8');
  const value = (name: string): string => new RegExp(`^export ${name}='?([^'\\n]*)'?$`, 'm').exec(text)?.[1] ?? '';
  return { authUrl: value('OS_AUTH_URL'), username: value('OS_USERNAME'), password: value('OS_PASSWORD'), project: value('OS_PROJECT_NAME') };
}

function messageOf(text: string): string | undefined {
  try {
    const body = JSON.parse(text) as Record<string, unknown>;
    for (const value of [body, ...Object.values(body)]) {
      const message = (value as { message?: unknown } | null)?.message;
      if (typeof message === 'string') return message;
    }
  } catch { /* not JSON */ }
  return undefined;
}

function detailsOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return (JSON.parse(text) as { error?: { details?: Readonly<Record<string, unknown>> } }).error?.details;
  } catch { /* not JSON */ }
  return undefined;
}
