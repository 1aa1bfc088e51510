/**
 * The keyed loop engine: finds keys that are due, works each one alone, and comes again.
 *
 * Owns: waking, leases, concurrency, back-off between failures, draining at stop. Never knows what a key means: a
 * `Source` says what is due (leased in the database, so that replicas share the work without a leader) and a
 * `reconcile` moves one key one or more idempotent steps. A crash here only lets leases run out; another replica, or
 * the next start, takes the keys up again.
 */
export { Reconciler, type ReconcilerOptions, type ReconcileSource } from './reconciler.js';
export { RECONCILE_LIMITS } from './limits.js';
