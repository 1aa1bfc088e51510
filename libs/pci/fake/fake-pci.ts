import { KernelPci } from '../kernel-pci.js';
import { FakeKernel } from './kernel.js';

/** The host as an agent has it, over a kernel in memory. Hooks are the kernel's; another agent of the same host is another FakePci over it. */
export class FakePci extends KernelPci {
  constructor(readonly kernel: FakeKernel = new FakeKernel()) { super(kernel); }
}
