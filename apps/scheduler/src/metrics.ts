import { Counter, Gauge, Histogram, metrics } from '#libs/observability';

const registers = [metrics];

/** The scheduler's figures; one set per process, whatever is composed into it. */
export const meters = {
  claims: new Counter({ name: 'skylite_scheduler_claims_total', help: 'Answers to claims, by outcome', labelNames: ['outcome'], registers }),
  conflicts: new Counter({ name: 'skylite_scheduler_claim_conflicts_total', help: 'Choices that lost to another claim and were made again', registers }),
  releases: new Counter({ name: 'skylite_scheduler_releases_total', help: 'Claims freed', registers }),
  batch: new Histogram({ name: 'skylite_scheduler_claim_batch_size', help: 'Claims per statement', buckets: [1, 2, 4, 8, 16, 32, 64, 128], registers }),
  placing: new Histogram({ name: 'skylite_scheduler_place_seconds', help: 'Time of one placement decision', buckets: [0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01], registers }),
  refusals: new Counter({ name: 'skylite_scheduler_refusals_total', help: 'Hosts refused in placements that found none, by filter', labelNames: ['filter'], registers }),
  hosts: new Gauge({ name: 'skylite_scheduler_hosts', help: 'Hosts known, and of them alive', labelNames: ['state'], registers }),
  repairs: new Counter({ name: 'skylite_scheduler_snapshot_repairs_total', help: 'Rows that a full read found different from memory', registers }),
  deviceReports: new Counter({ name: 'skylite_scheduler_device_reports_total', help: 'Pages of devices that hosts reported, by outcome', labelNames: ['outcome'], registers }),
  devices: new Gauge({ name: 'skylite_scheduler_devices', help: 'Devices by class and state; quarantined ones wait for an operator', labelNames: ['class', 'state'], registers }),
  foreignBeats: new Counter({ name: 'skylite_scheduler_foreign_beats_total', help: 'Beats of a session that does not hold its host', registers }),
};
