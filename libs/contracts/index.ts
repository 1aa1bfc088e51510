/**
 * Every message of Skylite: subject, schemas, timeout; and the ids they carry. Their JSON Schemas are checked in
 * (test/architecture/contracts) so that a change of the wire is seen in review. Holds no behaviour.
 */
export * from './common.js';
export * from './contract.js';
export * from './identity.contracts.js';
export * from './image.contracts.js';
export * from './host.contracts.js';
export * from './scheduler.contracts.js';
export * from './compute.contracts.js';
