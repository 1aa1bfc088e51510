import { describe, expect, it } from '@jest/globals';
import { MAX_VERSION, Microversion, negotiate, versionHeaders, type Headers, type VersionText } from './microversion.js';
import { FEATURES, WITHOUT_EFFECT } from './version-table.js';

const NEW = 'openstack-api-version';
const OLD = 'x-openstack-nova-api-version';

describe('negotiate', () => {
  it.each<[string, Headers, string]>([
    ['no header', {}, '2.1'],
    ['the newer form', { [NEW]: 'compute 2.37' }, '2.37'],
    ['the older form', { [OLD]: '2.26' }, '2.26'],
    ['both: the newer one counts', { [NEW]: 'compute 2.37', [OLD]: '2.26' }, '2.37'],
    ['latest', { [OLD]: 'latest' }, MAX_VERSION],
    ['latest, newer form', { [NEW]: 'compute latest' }, MAX_VERSION],
    ['latest in capitals', { [NEW]: 'Compute LATEST' }, MAX_VERSION],
    ['another service only', { [NEW]: 'volume 3.70' }, '2.1'],
    ['several services', { [NEW]: 'volume 3.70, compute 2.5' }, '2.5'],
    ['several services in two headers', { [NEW]: ['compute 2.5', 'volume 3.1'] }, '2.5'],
    ['twice: the last counts', { [NEW]: 'compute 2.5, compute 2.6' }, '2.6'],
    ['an empty value', { [OLD]: '' }, '2.1'],
    ['lowest', { [OLD]: '2.1' }, '2.1'],
    ['highest', { [OLD]: MAX_VERSION }, MAX_VERSION],
  ])('%s', (_name, headers, expected) => {
    const { version, echo } = negotiate(headers);
    expect(version?.toString()).toBe(expected);
    expect(echo).toBe(expected);
  });

  it.each([`2.${Microversion.max.minor + 1}`, '2.999', '2.0', '1.1', '3.1'])('%s is refused as Nova refuses it', (asked) => {
    const { refusal, echo } = negotiate({ [OLD]: asked });
    expect(refusal?.kind).toBe('not-acceptable');
    expect(refusal?.message).toBe(`Version ${asked} is not supported by the API. Minimum is 2.1 and maximum is ${MAX_VERSION}.`);
    expect(echo).toBe(asked);
  });

  it.each(['2', '2.', '2.01', 'x', '2.1.1', '-2.1', '2.1 '.repeat(50)])('%s is malformed', (asked) => {
    const { refusal } = negotiate({ [OLD]: asked });
    expect(refusal?.kind).toBe('bad-request');
    expect(refusal?.message).toMatch(/^API Version String .* is of invalid format. Must be of format MajorNum.MinorNum.$/);
    expect(refusal?.message.length).toBeLessThan(200);
  });

  it('tells caches and echoes both headers', () => {
    expect(versionHeaders('2.37')).toEqual({ vary: 'OpenStack-API-Version, X-OpenStack-Nova-API-Version', 'openstack-api-version': 'compute 2.37', 'x-openstack-nova-api-version': '2.37' });
    expect(versionHeaders(undefined)).toEqual({ vary: 'OpenStack-API-Version, X-OpenStack-Nova-API-Version' });
  });
});

describe('the version table', () => {
  it('accounts for every version from the lowest to the highest', () => {
    const effective = new Set<string>([...Object.values(FEATURES).map(({ since }) => since), ...Object.keys(WITHOUT_EFFECT)]);
    const all = Array.from({ length: Microversion.max.minor }, (_, index): VersionText => `2.${index + 1}`);
    expect(all.filter((version) => !effective.has(version))).toEqual([]);
    expect([...effective].filter((version) => !all.includes(version as VersionText))).toEqual([]);
    expect(Object.keys(WITHOUT_EFFECT).filter((version) => Object.values(FEATURES).some(({ since }) => since === version))).toEqual([]);
  });
});
