/** Bounds of identity, with their reasons. */
export const LIMITS = {
  /** argon2 runs on Node's four worker threads: half of them, so that files and DNS never wait for passwords. */
  passwordChecksAtOnce: 2,
  /** Logins waiting for a check: at 10 to 30 ms each the last one waits about a second; more is answered 429. */
  passwordChecksQueued: 64,
  /** Keystone's own bound; argon2 reads all of it. */
  passwordChars: 4_096,
  /** Names and ids in requests; the columns hold names of at most 255. */
  nameChars: 255,
  /** Ways to authenticate in one request. */
  authMethods: 8,
  /** Rows in one answer; Keystone's clients do not follow links.next, so it is generous. */
  page: 10_000,
  /** Catalogs kept in memory, one per base URL that requests came by (the Host header is the client's to choose). */
  catalogs: 16,
} as const;

/** argon2id as OWASP advises: 19 MiB, two passes, one lane; 10 to 30 ms, and every command of the stock client pays it once. */
export const PASSWORD_COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 } as const;

/** What a project may use unless its own row says otherwise. */
export const DEFAULT_PROJECT_LIMITS = { instances: 10, cores: 20, ramMib: 51_200, keypairs: 100, metadataItems: 128, serverGroups: 10, serverGroupMembers: 10 } as const;
