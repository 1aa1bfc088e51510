/**
 * This host's right to start guests. A host that was cut off may have been fenced meanwhile, and its guests rebuilt elsewhere:
 * so after a boot, and once the lease has run out, it starts nothing before the control plane has answered it in this boot,
 * in a session that may act. Whether it needs a lease at all the control plane says, and the ledger keeps (a cloud of
 * one machine has nowhere else to rebuild, and brings its guests back by itself).
 *
 * Time is counted from the question, by a clock that counts from boot and goes on while the machine sleeps. A crash forgets
 * the lease and not that one is needed: the next pull renews it.
 */
import type { Clock } from '../clock.js';
import type { Ledger } from './ledger.js';

/** An older control plane says nothing of leases; one that is needed since before is renewed by any answer. */
const DEFAULT_MS = 120_000;

export class Lease {
  #untilMs = -Infinity;

  constructor(private readonly ledger: Ledger, private readonly clock: Clock, private readonly onRenewed: () => void) {}

  get mayStart(): boolean {
    return !this.ledger.host.lease.required || this.nowMs() < this.#untilMs;
  }

  nowMs(): number { return this.clock.sinceBootMs?.() ?? this.clock.nowMs(); }

  /** The control plane answered a question asked at `askedMs`. */
  async renew(askedMs: number, answer: { reportOnly: boolean; lease?: { ms: number; required: boolean } | undefined }): Promise<void> {
    if (answer.reportOnly) {
      this.#untilMs = -Infinity;
      return;
    }
    const before = this.mayStart;
    if (answer.lease) await this.ledger.bookLease({ required: answer.lease.required });
    this.#untilMs = Math.max(this.#untilMs, askedMs + (answer.lease?.ms ?? DEFAULT_MS));
    if (!before && this.mayStart) this.onRenewed();
  }
}
