import type { AccessRule } from '#libs/contracts';
import { TOKEN_LIMITS } from './limits.js';

/** The access rules of credentials whose tokens were seen here. They never change, so they are asked for once and kept, up to a bound. */
export class AccessRuleBook {
  /** Insertion order is the order of last use. */
  readonly #lists = new Map<string, Promise<readonly AccessRule[]>>();

  constructor(private readonly load: (applicationCredentialId: string) => Promise<readonly AccessRule[]>) {}

  /** @throws SkyError `unavailable` and the like when identity does not answer. */
  rulesOf(applicationCredentialId: string): Promise<readonly AccessRule[]> {
    const known = this.#lists.get(applicationCredentialId);
    this.#lists.delete(applicationCredentialId);
    const list = known ?? this.load(applicationCredentialId);
    this.#lists.set(applicationCredentialId, list);
    if (known === undefined) list.catch(() => { if (this.#lists.get(applicationCredentialId) === list) this.#lists.delete(applicationCredentialId); });
    const oldest = this.#lists.keys().next();
    if (this.#lists.size > TOKEN_LIMITS.accessRuleLists && !oldest.done) this.#lists.delete(oldest.value);
    return list;
  }
}
