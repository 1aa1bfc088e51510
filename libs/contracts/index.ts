/**
 * Every message of Skylite: subject, schemas, timeout; and the ids they carry. Their JSON Schemas are checked in
 * (test/architecture/contracts) so that a change of the wire is seen in review. Holds no behaviour.
 */
export * from './common.js';
export * from './contract.js';
export * from './identity.contracts.js';
export * from './tokens.contracts.js';
export * from './audit.contracts.js';
export * from './limits.contracts.js';
export * from './image.contracts.js';
export * from './host.contracts.js';
export * from './drift.contracts.js';
export * from './device.contracts.js';
export * from './placement.contracts.js';
export * from './aggregates.contracts.js';
export * from './scheduler.contracts.js';
export * from './placement-views.contracts.js';
export * from './device-stock.contracts.js';
export * from './compute.contracts.js';
export * from './flavors.contracts.js';
export * from './server-groups.contracts.js';
export * from './usage.contracts.js';
export * from './operations.contracts.js';
export * from './moves.contracts.js';
export * from './attachments.contracts.js';
export * from './timeline.contracts.js';
export * from './fencing.contracts.js';
export * from './console.contracts.js';
