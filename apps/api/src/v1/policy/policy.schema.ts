import { z } from 'zod';
import { explainPolicy } from '#libs/contracts';

const id = z.string().min(1).max(64);
const name = z.string().min(1).max(255);
const domain = z.strictObject({ id, name }).partial();
const named = z.strictObject({ id, name, domain }).partial();

/** Who (id, or name and perhaps domain), with a token for what, by which rule, with whose thing (their own, if it is not said). */
export const ExplainBody = z.strictObject({
  rule: z.string().min(1).max(255), user: named,
  scope: z.strictObject({ project: named, domain, system: z.boolean() }).partial().default({}),
  target: z.strictObject({ projectId: id, userId: id, domainId: id, roleNames: z.array(name).max(20) }).partial().optional(),
});
export type ExplainBody = z.output<typeof ExplainBody>;

export const ExplainAnswer = explainPolicy.output;
export const RulesAnswer = z.object({ rules: z.array(z.object({ rule: z.string(), who: z.array(z.string()) })) });
