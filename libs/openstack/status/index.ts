export type { StatusFacts } from './condition.js';
export { deriveStatus, POWER_STATE, powerStateSql, STATES, statusAmongSql, statusSql, taskStateAmongSql, taskStateSql, vmStateAmongSql, vmStateSql, type DerivedStatus, type PowerState, type ServerStatus, type TaskState, type VmState } from './status.js';
