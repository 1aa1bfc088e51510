/**
 * The one audit trail of all services: who did what, on what, from where, with what outcome, in which request.
 *
 * A record is written with the client of the change's own transaction, so that neither can be there without the other;
 * a failure has nothing to share a transaction with and is written by itself. Services may add records and do nothing
 * else with them: identity reads them, and old ones go through a function that never takes recent ones.
 * Never stores a secret: names that sound like one are blotted out, long texts are cut.
 */
export { audit, type AuditActor, type AuditEntry, type AuditOutcome, type AuditService, type AuditWriter } from './audit.js';
export { audited, auditPart } from './audited.js';
export { auditDetail } from './audit-detail.js';
export { AUDIT_LIMITS } from './limits.js';
