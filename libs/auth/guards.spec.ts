import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, type DynamicModule } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { listTokenKeys, type Caller } from '#libs/contracts';
import { createDoor } from '#libs/http';
import { InMemoryBus } from '#libs/messaging';
import { AuthModule, CallerParam, listRoutes, makeSigningKey, Policy, signToken, TokenParam, type PolicyRule, type TokenClaims, type VerifiedToken } from './index.js';

@Controller('things')
class ThingsController {
  @Get() @Policy('compute:servers:list') list(@CallerParam() caller: Caller, @TokenParam() token: VerifiedToken) { return { caller, kid: token.kid }; }
  @Get('secret') @Policy('skylite:hosts:list') secret() { return {}; }
  @Get('open') @Policy('public') open() { return { open: true }; }
  @Get('bug') @Policy('public') bug(@CallerParam() caller: Caller) { return caller; }
}

@Controller('other') @Policy('compute:servers:list')
class OtherController {
  @Get() list() { return {}; }
  @Get('secret') @Policy('skylite:hosts:list') secret() { return {}; }
}

@Controller('bare')
class BareController { @Get() get() { return {}; } }

@Controller('strange')
class StrangeController { @Get() @Policy('compute:servers:explode' as PolicyRule) get() { return {}; } }

@Module({})
class Feature {}
const feature = (bus: InMemoryBus, controllers: NonNullable<DynamicModule['controllers']>): DynamicModule => ({ module: Feature, imports: [AuthModule.register({ bus })], controllers });

@Module({})
class Root {}

const { key } = makeSigningKey('cloud');
const opened: NestFastifyApplication[] = [];
afterEach(async () => { await Promise.all(opened.splice(0).map((app) => app.close())); });

/** Two features, each of which asks for auth: the guards must run once all the same. */
async function start(...controllers: NonNullable<DynamicModule['controllers']>[]): Promise<{ app: NestFastifyApplication; asked: () => number }> {
  const bus = new InMemoryBus();
  let asked = 0;
  bus.handle(listTokenKeys, async () => { asked += 1; return { keys: [{ kid: key.kid, x: key.x }] }; }, { group: 'identity' });
  const root: DynamicModule = { module: Root, imports: controllers.map((some) => feature(bus, some)) };
  const app = await createDoor(root, { logger: pino({ enabled: false }) });
  opened.push(app);
  return { app, asked: () => asked };
}

const token = (roles: string[], projectId: string | null = 'p', scope: Pick<TokenClaims, 'scopeDomain' | 'system'> = {}): string => {
  const now = Math.floor(Date.now() / 1_000);
  const claims: Omit<TokenClaims, 'issuer'> = {
    auditId: 'a', parentAuditId: null, issuedAt: now, expiresAt: now + 60, methods: ['password'],
    user: { id: 'u', name: 'demo', domain: { id: 'default', name: 'Default' }, passwordExpiresAt: null },
    project: projectId === null ? null : { id: projectId, name: 'demo', domain: { id: 'default', name: 'Default' } }, roles: roles.map((name) => ({ id: name, name })), ...scope,
  };
  return signToken(key, claims);
};
/** The answer, or kind and message of the error. */
async function get(app: NestFastifyApplication, url: string, header?: string): Promise<Record<string, unknown>> {
  const body = (await app.inject({ method: 'GET', url, headers: header === undefined ? {} : { 'x-auth-token': header } })).json<{ error?: { kind: string; message: string } }>();
  return body.error === undefined ? body : { kind: body.error.kind, message: body.error.message };
}

describe('the guards', () => {
  it('turn a token into the caller, in every module that asked for them', async () => {
    const { app, asked } = await start([ThingsController], [OtherController]);
    expect(await get(app, '/things', token(['reader']))).toEqual({ kid: key.kid, caller: expect.objectContaining({ userId: 'u', projectId: 'p', roles: ['reader'], isAdmin: false, requestId: expect.any(String) }) });
    expect(await get(app, '/other', token(['reader']))).toEqual({});
    expect(asked()).toBe(1);
  });

  it('refuse who has no token, a bad one, or not the right', async () => {
    const { app } = await start([ThingsController], [OtherController]);
    for (const header of [undefined, '', 'nonsense', `${token(['admin'])}x`]) {
      expect(await get(app, '/things', header)).toEqual({ kind: 'unauthorized', message: 'The request you have made requires authentication.' });
    }
    for (const url of ['/things/secret', '/other/secret']) {
      expect(await get(app, url, token(['member']))).toEqual({ kind: 'forbidden', message: 'You are not authorized to perform the requested action: skylite:hosts:list.' });
      expect(await get(app, url, token(['admin']))).toEqual({});
    }
    expect(await get(app, '/things', token(['reader'], null))).toMatchObject({ kind: 'forbidden' });
  });

  it('look at what a token is for: the system\'s admin has no servers, a domain\'s no hosts', async () => {
    const { app } = await start([ThingsController]);
    const [system, domain] = [token(['admin'], null, { system: true }), token(['admin'], null, { scopeDomain: { id: 'd', name: 'd' } })];
    expect(await get(app, '/things/secret', system)).toEqual({});
    for (const [url, header] of [['/things', system], ['/things', domain], ['/things/secret', domain]] as const) expect(await get(app, url, header)).toMatchObject({ kind: 'forbidden' });
  });

  it('let everybody through where it is public, and call it a bug to ask who it was', async () => {
    const { app } = await start([ThingsController]);
    expect(await get(app, '/things/open')).toEqual({ open: true });
    expect(await get(app, '/things/bug')).toMatchObject({ kind: 'internal' });
  });
});

describe('the boot', () => {
  it('fails for a route without a policy, wherever it is', async () => {
    await expect(start([ThingsController], [BareController])).rejects.toThrow('BareController.get has no @Policy');
  });

  it('fails for a rule that is not in the table', async () => {
    await expect(start([StrangeController])).rejects.toThrow("StrangeController.get names the unknown rule 'compute:servers:explode'");
  });

  it('knows every route', async () => {
    const { app } = await start([ThingsController], [OtherController]);
    expect(listRoutes(app.get(ModulesContainer)).map(({ controller, handler, policy }) => `${controller}.${handler} ${policy}`)).toEqual([
      'ThingsController.list compute:servers:list', 'ThingsController.secret skylite:hosts:list', 'ThingsController.open public', 'ThingsController.bug public',
      'OtherController.list compute:servers:list', 'OtherController.secret skylite:hosts:list']);
  });
});
