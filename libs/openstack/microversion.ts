import { badRequest, SkyError } from '#libs/errors';

/** `2.1`, `2.61`: the compute API has had one major number only. */
export type VersionText = `2.${number}`;

export const MIN_VERSION: VersionText = '2.1';
/** Raise it only when everything present behaves, and everything absent refuses, as documented up to there. */
export const MAX_VERSION: VersionText = '2.96';

/** A negotiated version: within MIN_VERSION..MAX_VERSION, comparable with a feature's first version. */
export class Microversion {
  private constructor(readonly minor: number) {}

  static of(text: VersionText): Microversion {
    return new Microversion(Number(text.slice(2)));
  }

  static readonly min = Microversion.of(MIN_VERSION);
  static readonly max = Microversion.of(MAX_VERSION);

  atLeast(text: VersionText): boolean {
    return this.minor >= Number(text.slice(2));
  }

  below(text: VersionText): boolean {
    return !this.atLeast(text);
  }

  toString(): VersionText {
    return `2.${this.minor}`;
  }
}

type HeaderValue = string | string[] | undefined;
/** Header names in lower case, as node gives them. */
export type Headers = Readonly<Record<string, HeaderValue>>;

/** What a request's headers ask for: a version to serve, or why not. `echo` is what the answer's headers repeat. */
export type Negotiated =
  | { readonly version: Microversion; readonly echo: string; readonly refusal?: undefined }
  | { readonly version?: undefined; readonly echo: string | undefined; readonly refusal: SkyError };

const FORM = /^([1-9]\d*)\.([1-9]\d*|0)$/;

const folded = (value: HeaderValue): string => (Array.isArray(value) ? value.join(',') : (value ?? ''));

/** `OpenStack-API-Version: compute 2.5, volume 3.1` -> `2.5`. The last word for this service counts. */
function fromServiceHeader(value: HeaderValue): string | undefined {
  for (const part of folded(value).split(',').reverse()) {
    const [service, version, ...rest] = part.trim().split(/\s+/);
    if (service?.toLowerCase() === 'compute' && version !== undefined && rest.length === 0) return version.toLowerCase();
  }
  return undefined;
}

function fromLegacyHeader(value: HeaderValue): string | undefined {
  const last = folded(value).split(',').at(-1)?.trim().toLowerCase();
  return last === '' ? undefined : last;
}

/**
 * The version a request asks for. Both header forms are honoured, the newer one first; none means 2.1, `latest` the
 * highest. Malformed is a `bad-request` (400), well-formed but outside the range `not-acceptable` (406).
 */
export function negotiate(headers: Headers): Negotiated {
  const asked = fromServiceHeader(headers['openstack-api-version']) ?? fromLegacyHeader(headers['x-openstack-nova-api-version']);
  if (asked === undefined) return { version: Microversion.min, echo: MIN_VERSION };
  if (asked === 'latest') return { version: Microversion.max, echo: MAX_VERSION };
  const match = FORM.exec(asked);
  if (match === null) {
    return { echo: undefined, refusal: badRequest(`API Version String ${asked.slice(0, 64)} is of invalid format. Must be of format MajorNum.MinorNum.`) };
  }
  const minor = Number(match[2]);
  if (match[1] !== '2' || minor < Microversion.min.minor || minor > Microversion.max.minor) {
    const text = asked.slice(0, 64);
    return { echo: text, refusal: new SkyError('not-acceptable', `Version ${text} is not supported by the API. Minimum is ${MIN_VERSION} and maximum is ${MAX_VERSION}.`) };
  }
  return { version: Microversion.of(`2.${minor}`), echo: `2.${minor}` };
}

/** Headers of an answer at that version; caches must not mix answers of different versions. */
export function versionHeaders(echo: string | undefined): Record<string, string> {
  return {
    vary: 'OpenStack-API-Version, X-OpenStack-Nova-API-Version',
    ...(echo !== undefined && { 'openstack-api-version': `compute ${echo}`, 'x-openstack-nova-api-version': echo }),
  };
}
