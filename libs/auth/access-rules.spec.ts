import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isAllowedByRules, matchesPath } from './access-rules.js';

const rule = (service: string, method: string, path: string) => ({ service, method, path });

describe('a path of a rule', () => {
  it.each<[string, string, boolean]>([
    ['/v2.1/servers', '/v2.1/servers', true],
    ['/v2.1/servers', '/v2.1/servers/1', false],
    ['/v2.1/servers/*', '/v2.1/servers/1', true],
    ['/v2.1/servers/*', '/v2.1/servers/', false],
    ['/v2.1/servers/*', '/v2.1/servers/1/ips', false],
    ['/v2.1/servers/{server_id}/ips', '/v2.1/servers/1/ips', true],
    ['/v2.1/servers/{server_id}/ips', '/v2.1/servers/1/2/ips', false],
    ['/v2.1/**', '/v2.1/servers/1/ips', true],
    ['/v2.1/**', '/v2.1', false],
    ['/**/ips', '/v2.1/servers/1/ips', true],
    ['**', '/anything/at/all', true],
    ['/v2.1/server*', '/v2.1/servers', true],
    ['/v2.1/server*', '/v2.1/server', false],
    ['/v2.1/a*b*c', '/v2.1/axxbyyc', true],
    ['/v2.1/a*b*c', '/v2.1/axxbyy', false],
    ['/v2.1/{', '/v2.1/{', true],
    ['/v2.1/s.rvers', '/v2.1/servers', false],
    ['/V2.1/servers', '/v2.1/servers', false],
  ])('%s against %s', (pattern, path, matches) => {
    expect(matchesPath(pattern, path)).toBe(matches);
  });

  it('means what the same regular expression would', () => {
    const part = fc.constantFrom('*', '**', '{x}', 'a', 'b', '/');
    fc.assert(fc.property(fc.array(part, { maxLength: 6 }), fc.stringMatching(/^[ab/]{0,8}$/), (parts, path) => {
      const pattern = `/${parts.join('')}x`;
      const regular = pattern.replace(/\*\*|\*|\{[^}]*\}/g, (text) => (text === '**' ? '.*' : '[^/]+'));
      expect(matchesPath(pattern, `/${path}x`)).toBe(new RegExp(`^${regular}$`).test(`/${path}x`));
    }), { numRuns: 500 });
  });

  it('never takes long', () => {
    const started = performance.now();
    expect(matchesPath(`/${'*a'.repeat(110)}b`, `/${'a'.repeat(4_000)}`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

describe('a request', () => {
  const rules = [rule('compute', 'GET', '/v2.1/servers'), rule('compute', 'GET', '/v2.1/servers/*'), rule('image', 'POST', '/v2/images'), rule('volumev3', 'GET', '/v3/volumes'), rule('skylite', 'GET', '/v1/hosts')];
  it.each<[string, string, boolean]>([
    ['GET', '/compute/v2.1/servers', true],
    ['GET', '/compute/v2.1/servers?limit=1', true],
    ['GET', '/compute/v2.1/servers/', true],
    ['GET', '//compute//v2.1/servers', true],
    ['GET', '/compute/v2.1/servers/7a', true],
    ['GET', '/compute/v2.1/server%73/7a', true],
    ['POST', '/compute/v2.1/servers', false],
    ['HEAD', '/compute/v2.1/servers', false],
    ['GET', '/compute/v2.1/servers/7a/ips', false],
    ['GET', '/compute/v2.1/servers/7a%2Fips', false],
    ['GET', '/compute/v2.1/servers/7a#/ips', false],
    ['GET', '/compute/v2.1/servers/7a;x', false],
    ['GET', '/compute/v2.1/servers/..', false],
    ['GET', '/compute/v2.1/servers/%2e%2e', false],
    ['GET', '/compute/v2.1/servers/%ff', false],
    ['GET', '/image/v2.1/servers', false],
    ['POST', '/image/v2/images', true],
    ['GET', '/volume/v3/volumes', true],
    ['GET', '/v1/hosts', true],
    ['GET', '/v1/events', false],
    ['GET', '/constructor/v2.1/servers', false],
    ['GET', '/identity/v3/auth/tokens', true],
    ['DELETE', '/identity/v3/auth/tokens', false],
    ['GET', `/compute/v2.1/servers/${'a'.repeat(5_000)}`, false],
  ])('%s %s', (method, url, allowed) => {
    expect(isAllowedByRules(rules, method, url)).toBe(allowed);
  });

  it('is refused by no rules at all', () => {
    expect(isAllowedByRules([], 'GET', '/compute/v2.1/servers')).toBe(false);
  });
});
