/** Every bound of this app in one place, with its reason. */
export const LIMITS = {
  /** Entries of a list's page; Nova's own default. Clients follow the next link. */
  page: 1000,
  /** Servers of one request: as many ids as the create contract carries. */
  serversPerRequest: 200,
  /** Metadata items of one server; the owner applies the project's own limit besides. */
  metadataItems: 128,
  /** Tags of one server, and characters of one: Nova's. */
  tags: 50,
  tagChars: 60,
  /** Base64 characters of user data: Nova's. */
  userDataChars: 65_535,
  /** Sort keys of one list: each is a column of the order. */
  sortKeys: 5,
  /** A filter that is a regular expression: as long as the longest name, and what the list contract carries. */
  regexChars: 255,
  /** A flavor's rxtx factor is kept as a number of 4 bytes. */
  rxtxFactorMin: 1e-37,
  rxtxFactorMax: 3.4e38,
  /** Pages read to say which servers are on which hypervisor: 20,000 servers; beyond, ask for one hypervisor. */
  hypervisorServerPages: 20,
  /** Hosts that join per second, and at once: a token cannot be guessed at that pace, and signing costs CPU. */
  joinsPerSecond: 10,
  joinsAtOnce: 20,
  /** Enrolment tokens of one request. */
  enrolTokens: 10_000,
} as const;
