import { KernelPci } from '../kernel-pci.js';
import { SysfsKernel, type SysfsOptions } from './sysfs-kernel.js';

/** The host that this process runs on. */
export class SysfsPci extends KernelPci {
  constructor(options: SysfsOptions) { super(new SysfsKernel(options)); }
}
