import { Counter, Gauge, Histogram, metrics } from '#libs/observability';

const registers = [metrics];

/** Where gauges are read when somebody asks; set by whoever runs the hosts. */
export const gaugeSources = { instances: (): number => 0, hypervisorsUp: (): number => 0 };

/** What the agent counts. A fleet's hosts count together: labels by host would be a thousand series. */
export const agentMetrics = {
  actions: new Counter({ name: 'skylite_agent_actions_total', help: 'Actions done, by step and outcome (ok, failed, broken-off).', labelNames: ['step', 'outcome'] as const, registers }),
  actionSeconds: new Histogram({ name: 'skylite_agent_action_seconds', help: 'Duration of actions by step.', labelNames: ['step'] as const, buckets: [0.005, 0.02, 0.1, 0.3, 1, 3, 10, 60], registers }),
  tickSeconds: new Histogram({ name: 'skylite_agent_look_seconds', help: 'Duration of one look at the whole host and the planning after it.', buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2], registers }),
  deviceActions: new Counter({ name: 'skylite_agent_device_actions_total', help: 'Changes of devices (set-vfs, link-up, set-vf, bind, scrub, call-clean, call-dirty) by outcome.', labelNames: ['does', 'outcome'] as const, registers }),
  pulls: new Counter({ name: 'skylite_agent_pulls_total', help: 'Pulls of desired state by outcome.', labelNames: ['outcome'] as const, registers }),
  reports: new Counter({ name: 'skylite_agent_reports_total', help: 'Reports by outcome.', labelNames: ['outcome'] as const, registers }),
  instances: new Gauge({ name: 'skylite_agent_instances', help: 'Instances in the ledgers.', registers, collect() { this.set(gaugeSources.instances()); } }),
  orphans: new Gauge({ name: 'skylite_agent_orphans', help: 'Domains with our notes that no ledger knows.', registers }),
  hypervisorUp: new Gauge({ name: 'skylite_agent_hypervisors_up', help: 'Hosts of this process whose hypervisor answers.', registers, collect() { this.set(gaugeSources.hypervisorsUp()); } }),
} as const;
