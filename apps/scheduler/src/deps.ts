import type { Database } from '#libs/db';
import type { Bus, HostUserSigner } from '#libs/messaging';
import type { Logger } from '#libs/observability';
import type { Ratios } from './decide/capacity.js';
import type { PlacementPolicy } from './decide/request.js';
import type { FenceAgent, PowerSettings } from './power/fence-agent.js';

export interface SchedulerConfig {
  /** Where a joining host finds the bus. */
  natsUrls: string[];
  /** A host that was silent for longer is not alive. Default 10,000. */
  aliveTimeoutMs: number;
  /** Where new servers go among the hosts that fit: the emptiest (default) or the fullest. */
  weigher?: PlacementPolicy['strategy'];
  /** How much memory, CPU and disk count in it. Default: alike. */
  weights?: PlacementPolicy['weights'];
  /** Overcommitment of hosts that join from now on. Default: CPU 4, memory 1, disk 1. */
  ratios?: Ratios;
  /** 32 bytes that seal passwords of power switches; kept outside the database. Without it none can be stored. */
  powerKey?: Uint8Array;
  /** Default: ipmitool and Redfish. */
  fenceAgents?: Readonly<Record<PowerSettings['kind'], FenceAgent>>;
  /** Days for which events of hosts are kept. Default 400. */
  eventsKeepDays?: number;
}

/** What the process gives the scheduler. */
export interface SchedulerDeps {
  bus: Bus;
  db: Database;
  config: SchedulerConfig;
  signer: HostUserSigner;
  logger: Logger;
}

export const DEFAULT_RATIOS: Ratios = { cpu: 4, ram: 1, disk: 1 };

/** Injection tokens of what is the scheduler's own. */
export const CONFIG = Symbol('SCHEDULER_CONFIG');
export const SIGNER = Symbol('SCHEDULER_SIGNER');
