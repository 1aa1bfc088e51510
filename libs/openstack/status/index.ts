export type { StatusFacts } from './condition.js';
export { deriveStatus, POWER_STATE, powerStateSql, statusSql, taskStateSql, vmStateSql, type DerivedStatus, type PowerState, type ServerStatus, type TaskState, type VmState } from './status.js';
