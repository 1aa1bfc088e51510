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
  /** Keystone keeps 64 KiB; nobody describes a project in more than a page. */
  descriptionChars: 4_096,
  /** Keystone's own bounds of tags. */
  tagChars: 255,
  tags: 80,
  /** Attributes that we do not know and keep: as many as clients have been seen to add, many times over. */
  extraKeys: 64,
  extraChars: 16_384,
  /** Levels of projects below a domain, Keystone's default: effective roles are looked for upwards with every token. */
  projectDepth: 5,
  /** An address from which an account logged in this lately is not bound by what others fail at; written anew after so many days. */
  knownAddressDays: 30,
  knownAddressRenewDays: 1,
  /** Who has to wait and goes on trying is written into the audit trail this often; of so many at a time. */
  waitingAuditedMs: 10_000,
  waitingRemembered: 10_000,
  /** Accounts and addresses that failed here, about 100 bytes each: of these the database is asked before a password is looked at. */
  suspectsRemembered: 30_000,
  /** Ways to authenticate in one request. */
  authMethods: 8,
  /** A new key is published this long before it signs: everybody asks every second, and trusts no answer older than two. */
  keyPublishedMs: 10_000,
  /** Who signs knows the schedule of keys of no longer ago than this: a key that was dropped signs nothing after it. */
  scheduleTrustedMs: 1_000,
  /** A process may take up a new key this much late: without a database it goes on with those that it knows. */
  keyOverlapMs: 120_000,
  /** Keys that no token needs any more are shown this long. */
  keysKeptDays: 30,
  tokenKeysShown: 100,
  /** Revocations in one answer, about 350 bytes each: below NATS' message of 1 MiB. */
  revocationsPage: 1_000,
  /** More users than this at once lose a role by rows that name the place, not each of them: everybody keeps every row in memory. */
  revokedOneByOne: 1_000,
  /** Tokens that one user revoked, of those that would be alive: beyond, all of theirs end. */
  revocationsPerUser: 1_000,
  /** The same with those that have ended and are kept for who asks about ended tokens. */
  revocationsKeptPerUser: 10_000,
  /** What is over is removed this often, and this many rows at once. */
  housekeepingMs: 60_000,
  purgedAtOnce: 10_000,
  /** Application credentials and access rules of one user: a script that makes one per run is noticed before the table is full. */
  applicationCredentials: 1_000,
  accessRules: 1_000,
  /** Of one credential. */
  accessRulesPerCredential: 50,
  rolesPerCredential: 50,
  /** Keystone's own bound of a rule's path. */
  accessPathChars: 225,
  secretChars: 255,
  /** Earlier passwords kept at most: each is compared with a new one at the cost of a login. */
  passwordHistory: 10,
  /** Rows in one answer; Keystone's clients do not follow links.next, so it is generous. */
  page: 10_000,
  /** And no more than that as text: about 600 bytes of a row fit into a full page, which few rows have. */
  pageBytes: 6 * 1024 * 1024,
  /** Users, and projects, of a deleted domain that go in one transaction: about a second, where a statement may take ten. */
  removedAtOnce: 5_000,
  /** Assignments, as members and projects they are for, that are worked out at once when nothing narrows what is asked for. */
  effectiveAssignments: 50_000,
  /** Catalogs kept in memory, one per base URL that requests came by (the Host header is the client's to choose). */
  catalogs: 16,
  /** The catalog is asked for again in passing after the one, and waited for after the other. */
  catalogFreshMs: 1_000,
  catalogOldMs: 1_900,
  /** Keystone's bound of an endpoint's URL. */
  urlChars: 225,
  /** What a credential may hold: a certificate with its chain and key is about 10 KiB. */
  credentialChars: 32_768,
  /** Of one user: somebody's keys for a few machines. */
  credentialsPerUser: 50,
  /** Of all that somebody asks for in one answer: opened one by one, and at most so many bytes of them. */
  credentialsPage: 100,
  credentialsPageBytes: 1_048_576,
  /** Limits made by one request: each is a statement of one transaction, which holds back every other change of limits. */
  limitsPerRequest: 256,
  /** Months of the audit trail are looked after this often, made this far ahead, and kept this many days unless the operator says otherwise. */
  keepAuditMs: 6 * 3_600_000,
  auditMonthsAhead: 3,
  auditKeepDays: 400,
} as const;

/**
 * argon2id as OWASP advises: 19 MiB, two passes, one lane; 10 to 30 ms, and every command of the stock client pays it once.
 * Unknown users cost as much. After a change of it those whose hash is an old one take another time until their next login.
 */
export const PASSWORD_COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 } as const;
