/** What the door knows of proxies before it: those that are named, and one that was seen and is not. */
import type { Finding } from './finding.js';
export interface ProxyFacts { named: readonly string[]; unnamed?: string }

const LOOPBACK = /^(::ffff:)?127\.|^::1(\/|$)|^loopback$/i;

/** A proxy that nobody has named makes all clients one: what is bounded per address binds nobody, or everybody at once. */
export function proxyFindings(facts: ProxyFacts | undefined): Finding[] {
  if (facts === undefined) return [];
  const { named, unnamed } = facts;
  if (unnamed !== undefined) {
    const effect = LOOPBACK.test(unnamed) ? 'failed logins are not counted per address, and the audit trail has no addresses' : 'failed logins of everybody count as one client\'s, and the audit trail has its address only';
    return [{ part: 'proxies', ok: false, detail: `requests come by ${unnamed}, which is not named as a proxy: ${effect}`, cure: `SKYLITE_TRUSTED_PROXIES=${unnamed.replace(/^::ffff:/i, '')} npm run up, if that is your proxy and it sets X-Forwarded-For itself` }];
  }
  const detail = named.length === 0 ? 'none was seen, and none is named'
    : `${named.join(', ')} named${named.some((one) => LOOPBACK.test(one)) ? ': one on this machine, which must set X-Forwarded-For itself; without it all of its clients count as one' : ''}`;
  return [{ part: 'proxies', ok: true, detail }];
}
