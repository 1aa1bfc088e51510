import type { KernelAnswer } from '../kernel-port.js';
import { errnoOf, type RunChild } from './child.js';
import { PCI_LIMITS } from './limits.js';

export type LinkRead = { readonly kind: 'said'; readonly json: string } | Extract<KernelAnswer, { kind: 'refused' }>;

/**
 * What `ip` says of interfaces. It waits for the network's lock, which a writer that hangs keeps, and then cannot be killed either: while one that was given
 * up has not ended, no other is started for the same.
 */
export class LinkReads {
  private readonly stuck = new Set<string | null>();

  constructor(private readonly run: RunChild) {}

  /** @param network null: all of them */
  async show(network: string | null): Promise<LinkRead> {
    if (this.stuck.has(network)) return { kind: 'refused', errno: 'ETIMEDOUT', text: 'ip has not answered, and has not ended yet' };
    const end = await this.run({ argv: ['ip', '-j', 'link', 'show', ...(network === null ? [] : ['dev', network])], deadlineMs: PCI_LIMITS.ipMs });
    if (end.kind === 'late') {
      this.stuck.add(network);
      void end.ended.then(() => { this.stuck.delete(network); });
      return { kind: 'refused', errno: 'ETIMEDOUT', text: 'ip has not answered in time' };
    }
    return end.code === 0 ? { kind: 'said', json: end.stdout.toString('utf8') } : { kind: 'refused', errno: errnoOf(end.stderr), text: end.stderr };
  }
}
