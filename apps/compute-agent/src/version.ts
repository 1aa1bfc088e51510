/** Announced to the control plane; raised with every release. */
export const AGENT_VERSION = '0.1.0';
