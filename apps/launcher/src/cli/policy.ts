/** `skylite policy`: the rules, and why one says yes or no to somebody. */
import { parseArgs } from 'node:util';
import { ConfigError } from '#libs/config';
import type { explainPolicy, OutputOf } from '#libs/contracts';
import type { ApiClient } from '../client.js';

/** An id is 32 hex digits, or Keystone's own `default`; anything else is a name. */
const ref = (text: string): { id: string } | { name: string } => (/^[0-9a-f]{32}$/.test(text) ? { id: text } : { name: text });
const domainRef = (text: string): { id: string } | { name: string } => (text === 'default' ? { id: text } : ref(text));

export async function policyRules(api: ApiClient, args: string[]): Promise<number> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} });
  const { rules } = await api.call<{ rules: { rule: string; who: string[] }[] }>('GET', '/v1/policy/rules');
  const shown = rules.filter(({ rule }) => positionals.length === 0 || positionals.some((part) => rule.includes(part)));
  process.stdout.write(shown.length === 0 ? 'No rule has that in its name.\n' : `${shown.map(({ rule, who }) => `${rule}\n${who.map((one) => `    ${one}\n`).join('')}`).join('')}`);
  return shown.length === 0 ? 1 : 0;
}

/** @returns 0: allowed; 1: denied */
export async function policyExplain(api: ApiClient, args: string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ args, options: {
    user: text, 'user-domain': text, project: text, 'project-domain': text, domain: text, system: { type: 'boolean', default: false }, rule: text, 'of-project': text, 'of-user': text, 'of-domain': text, role: { type: 'string', multiple: true },
  } });
  if (values.user === undefined || values.rule === undefined) throw new ConfigError('policy explain wants --user U and --rule R, and --project P, --domain D or --system for the token.');
  const target = {
    ...(values['of-project'] !== undefined && { projectId: values['of-project'] }), ...(values['of-user'] !== undefined && { userId: values['of-user'] }),
    ...(values['of-domain'] !== undefined && { domainId: values['of-domain'] }), ...(values.role !== undefined && { roleNames: values.role }),
  };
  const answer = await api.call<OutputOf<typeof explainPolicy>>('POST', '/v1/policy/explain', {
    rule: values.rule,
    user: { ...ref(values.user), ...(values['user-domain'] !== undefined && { domain: domainRef(values['user-domain']) }) },
    scope: {
      ...(values.project !== undefined && { project: { ...ref(values.project), ...(values['project-domain'] !== undefined && { domain: domainRef(values['project-domain']) }) } }),
      ...(values.domain !== undefined && { domain: domainRef(values.domain) }), ...(values.system && { system: true }),
    },
    ...(Object.keys(target).length > 0 && { target }),
  });
  process.stdout.write(explained(answer));
  return answer.allowed ? 0 : 1;
}

export function explained({ rule, allowed, because, user, scope, roles, grants }: OutputOf<typeof explainPolicy>): string {
  const where = scope.kind === 'none' ? 'a token without scope' : `a token for ${scope.kind === 'system' ? 'the system' : `the ${scope.kind} ${scope.name ?? ''} (${scope.id ?? ''})`}`;
  return [
    `${allowed ? 'YES' : 'NO'}: ${user.name} (${user.id}) with ${where}, ${rule}`, `  ${because}`,
    'Roles:', ...(roles.length === 0 ? ['  none'] : roles.map(({ name, through }) => `  ${name}: ${through}`)),
    'The rule allows:', ...(grants.length === 0 ? ['  nobody'] : grants.map(({ who, holds, missing }) => `  ${holds ? '+' : '-'} ${who}${holds ? '' : `: ${missing.join('; ')}`}`)), '',
  ].join('\n');
}
