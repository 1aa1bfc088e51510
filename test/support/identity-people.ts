import { expect } from '@jest/globals';
import { byName, project, tokenOf, type Answer, type IdentityUnderTest } from './identity.js';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'HEAD' | 'DELETE';
/** Where a role is held. */
export interface On { projectId?: string; domainId?: string; system?: boolean }

/** Makes and changes people in identity as somebody; every call says which status it expects. */
export class People {
  constructor(private readonly identity: IdentityUnderTest, readonly token: string) {}

  static async asAdmin(identity: IdentityUnderTest): Promise<People> { return new People(identity, await identity.adminToken()); }

  async call(method: Method, path: string, status: number, body?: unknown): Promise<Answer> {
    const answer = await this.identity.call(method, `/v3${path}`, { token: this.token, ...(body !== undefined && { body }) });
    expect([method, path, answer.status, answer.status === status ? '' : answer.text]).toEqual([method, path, status, '']);
    return answer;
  }

  /** The message of a refusal. */
  async refused(method: Method, path: string, status: number, body?: unknown): Promise<string> {
    return (await this.call(method, path, status, body)).body.error.message as string;
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  async make(noun: 'domain' | 'project' | 'user' | 'group', fields: Record<string, unknown>): Promise<any> {
    return (await this.call('POST', `/${noun}s`, 201, { [noun]: fields })).body[noun];
  }

  /** Behind identity's back: giving roles by the API has its own tests. */
  async give(actor: { userId?: string; groupId?: string }, role: string, on: On): Promise<void> {
    await this.identity.database.admin.query(
      `INSERT INTO identity.role_assignments (user_id, group_id, project_id, domain_id, system, role_id)
       SELECT $1, $2, $3, $4, $5, id FROM identity.roles WHERE name = $6 AND domain_id IS NULL`,
      [actor.userId ?? null, actor.groupId ?? null, on.projectId ?? null, on.domainId ?? null, on.system === true, role]);
  }

  /** Somebody new of a domain, with a role, and logged in there. */
  async newUserWith(role: string, on: On, fields: Record<string, unknown> = {}): Promise<{ id: string; people: People }> {
    const name = `u-${Math.random().toString(36).slice(2)}`;
    const user = await this.make('user', { name, password: 'a-good-password', ...fields });
    await this.give({ userId: user.id }, role, on);
    const scope = on.system === true ? { system: { all: true } } : on.domainId === undefined ? { project: { id: on.projectId } } : { domain: { id: on.domainId } };
    const login = await this.identity.login({ methods: ['password'], password: { user: { id: user.id, password: 'a-good-password' } } }, scope);
    expect(login.status).toBe(201);
    return { id: user.id, people: new People(this.identity, tokenOf(login)) };
  }
}

export { byName, project };
