/**
 * Every setting of every process: environment variables `SKYLITE_*`, typed, with safe defaults, checked at boot.
 * The only place that reads process.env.
 */
export { ConfigError } from './env.js';
export { loadLauncherConfig, LauncherSecrets, type LauncherConfig } from './launcher.js';
export { loadCommandConfig, type CommandConfig } from './command.js';
export { parseCpuList, formatCpuList, onlineCpus } from './cpu-list.js';
export { NOTHING_PLACED, parsePages, type CellPages, type PlacementConfig } from './placement.js';
export { loadAgentConfig, loadFleetConfig, type AgentConfig, type FleetConfig } from './agent.js';
