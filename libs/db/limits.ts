/** Limits of every database connection, with reasons. Milliseconds. */
export const LIMITS = {
  connectMs: 3_000,
  /** Backends cost memory: an idle machine gives them back. */
  idleMs: 10_000,
  /** Nothing here is a report; a statement this slow is a mistake and must not hold locks. */
  statementMs: 10_000,
  /** The same as seen from here, for a server that is there and says nothing (stopped, swapped out, a stuck disk). */
  queryMs: 12_000,
  /** No transaction stays open across a message. */
  idleInTransactionMs: 5_000,
  /** The supervisor may start us before Postgres answers. */
  firstAnswerMs: 30_000,
  watchMs: 5_000,
  transactionAttempts: 3,
  /** Of the statements that get plans of their own: after so many uses, and so many texts of one app. */
  hotFrom: 30,
  hotStatements: 200,
} as const;
