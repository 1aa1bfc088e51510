const OPERATORS = { eq: '=', neq: '<>', lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;

export interface PasswordExpiry { operator: (typeof OPERATORS)[keyof typeof OPERATORS]; /** ISO 8601 in UTC. */ at: string }

const isOperator = (text: string): text is keyof typeof OPERATORS => Object.hasOwn(OPERATORS, text);

/** Reads Keystone's filter on when passwords expire: `lt:2016-12-08T22:02:00Z`; without a zone it is UTC. */
export function passwordExpiry(text: string): PasswordExpiry | { problem: string } {
  const colon = /^[a-z]{2,3}:/.exec(text)?.[0].length;
  const operator = colon === undefined ? 'eq' : text.slice(0, colon - 1);
  if (!isOperator(operator)) return { problem: `The given operator ${operator} is not valid. It must be one of the following: 'eq', 'neq', 'lt', 'lte', 'gt', or 'gte'.` };
  const given = text.slice(colon ?? 0);
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?$/.test(given) ? new Date(/(Z|[+-]\d\d:\d\d)$/.test(given) ? given : `${given}Z`) : undefined;
  if (at === undefined || Number.isNaN(at.getTime())) return { problem: 'Timestamp not in expected format: YYYY-MM-DDTHH:mm:ssZ is.' };
  return { operator: OPERATORS[operator], at: at.toISOString() };
}
