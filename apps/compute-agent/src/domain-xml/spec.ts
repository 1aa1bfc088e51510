import type { DesiredInstance } from '#libs/contracts';
import type { Frozen } from '../decide/facts.js';
import type { PlacedDevice } from '../devices/decide/ready.js';
import type { HostCpus } from '../decide/layout.js';

/** Everything a definition is made of. */
export interface DomainSpec {
  readonly cloudId: string;
  readonly epoch: number;
  /** Reboots that count as done when this definition first starts. */
  readonly rebootCount: number;
  readonly desired: DesiredInstance;
  readonly frozen: Frozen;
  /** Of the host that defines it; cells may be left out where the layout names none. */
  readonly host: HostCpus;
  /** Its devices where they stand today, by place. Absent: none. */
  readonly devices?: readonly PlacedDevice[];
  /** Absolute paths. */
  readonly files: { readonly disk: string; readonly base: string; readonly configDrive: string; readonly serialLog: string };
}
