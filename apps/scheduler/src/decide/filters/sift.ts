/**
 * The sieve of filters that few requests use: those that pass move to the front, the refused stay behind them. Filters
 * that every request runs have the loop of their own. Pure.
 */
export function sift(hosts: Int32Array, count: number, passes: (host: number) => boolean): number {
  let kept = 0;
  for (let at = 0; at < count; at += 1) {
    const host = hosts[at]!;
    if (!passes(host)) continue;
    hosts[at] = hosts[kept]!;
    hosts[kept] = host;
    kept += 1;
  }
  return kept;
}

/** Passes what an index of the host says, found out once for each index: a fleet has few of them. */
export function siftBy(hosts: Int32Array, count: number, index: Int32Array, kinds: number, passes: (kind: number) => boolean): number {
  const verdicts = new Int8Array(kinds);
  return sift(hosts, count, (host) => {
    const kind = index[host]!;
    if (verdicts[kind] === 0) verdicts[kind] = passes(kind) ? 1 : -1;
    return verdicts[kind] === 1;
  });
}
