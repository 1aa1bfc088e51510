/**
 * The door with this app behind it, real tokens before it, and scripted services on an in-memory bus: every question
 * that was asked is kept, every answer can be set. For tests.
 */
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { makeSigningKey, signToken } from '#libs/auth';
import {
  attachDevices, detachDevices, listServerDevices,
  askCapacity, askFit, changeAggregate, createAggregate, getAggregate, getPlacementRules, listAggregates, getProjectUsage, listAllocations, listChanges, listProviders, readScheduling, readTimeline,
  createEnrolToken, createFlavor, createKeypair, createServers, deleteFlavor, deleteKeypair, deleteServer, getConsoleLog, getFlavor, getKeypair, getProjectLimits, getServer, getUsage,
  inspectServer, joinHost, explainPolicy, listAuditRecords, listFlavors, listHosts, listKeypairs, listServers, listTokenKeys, listZones, rebootServer, rotateTokenKeys, startServer, stopServer, updateHost, updateServer, viewTokenKeys,
  resetLimits, setDefaultLimits, setLimits, addFlavorAccess, createServerGroup, deleteFlavorExtraSpec, deleteServerGroup, getDefaultLimits, getServerGroup, listFlavorAccess, listMigrations, listServerGroups, listServerUsages,
  removeFlavorAccess, setFlavorExtraSpecs, updateFlavor,
  adoptHosts, fenceHost, hostServers, inspectHost, setHostPower, setHostRestart, unfenceHost, viewAdoption,
  confirmResize, deleteServerMetadata, deleteServerTag, evacuateServer, forceDeleteServer, lockServer, migrateServer, pauseServer, rebuildServer, resetServerState, resizeServer, resumeServer, revertResize,
  setServerMetadata, setServerTags, suspendServer, unlockServer, unpauseServer,
  createDeviceClass, createDevicePool, deleteDeviceClass, deleteDevicePool, deviceHistory, getHostTopology, listDeviceClasses, listDevicePools, listDevices, releaseDevice, rescanDevices, updateDeviceClass, updateDevicePool,
  type Contract, type InputOf, type OutputOf,
} from '#libs/contracts';
import { notFound } from '#libs/errors';
import { createDoor, type DoorOptions } from '#libs/http';
import { createLogger } from '#libs/observability';
import { InMemoryBus } from '#libs/messaging';
import { ApiHttpModule, onApiRequest } from '../api.module.js';
import { aggregate, flavor, GROUP_ID, host, instance, keypair, migration, PROJECT, serverGroup, serverUsage, SERVER_ID, USER } from './samples.js';

export interface Asked { subject: string; input: Record<string, unknown> }

export class ScriptedCloud {
  readonly bus = new InMemoryBus();
  readonly asked: Asked[] = [];
  readonly #key = makeSigningKey('c0ffee00-0000-4000-8000-000000000000').key;
  app!: NestFastifyApplication;

  static async start(publicUrl?: string, door: Pick<DoorOptions, 'idempotency' | 'brakes'> = {}): Promise<ScriptedCloud> {
    const cloud = new ScriptedCloud();
    cloud.#script();
    const logger = createLogger('api-test', 'silent');
    cloud.app = await createDoor(ApiHttpModule.register({ bus: cloud.bus, config: { region: 'RegionOne' }, logger }), {
      logger, onRequest: onApiRequest, ...(publicUrl !== undefined && { publicUrl }), ...door,
    });
    return cloud;
  }

  async stop(): Promise<void> {
    await this.app.close();
    await this.bus.close();
  }

  /** A token of a member of PROJECT, or of an admin; null: unscoped. */
  token(role: 'reader' | 'member' | 'admin', projectId: string | null = PROJECT): string {
    const key = `${role} ${projectId}`;
    const token = this.#tokens.get(key) ?? this.#sign(role, projectId);
    this.#tokens.set(key, token);
    return token;
  }

  readonly #tokens = new Map<string, string>();

  #sign(role: string, projectId: string | null): string {
    const now = Math.floor(Date.now() / 1000);
    const domain = { id: 'default', name: 'Default' };
    return signToken(this.#key, {
      auditId: 'cdaLhDa_S4mHlwPZTx6DHg', parentAuditId: null, issuedAt: now - 1, expiresAt: now + 3600, methods: ['password'],
      user: { id: USER, name: role, domain, passwordExpiresAt: null },
      project: projectId === null ? null : { id: projectId, name: 'demo', domain },
      roles: projectId === null ? [] : [{ id: '7338e560eff040279abd5b095b509e90', name: role }],
    });
  }

  /** One request; the body is parsed when it is JSON. */
  async call(method: string, url: string, options: { as?: 'reader' | 'member' | 'admin' | 'nobody'; version?: string; body?: unknown; headers?: Record<string, string>; raw?: string } = {}) {
    const { as = 'member', version, body, headers, raw } = options;
    const response = await this.app.inject({
      method: method as 'GET', url,
      headers: {
        ...(as !== 'nobody' && { 'x-auth-token': this.token(as) }),
        ...(version !== undefined && { 'x-openstack-nova-api-version': version, 'openstack-api-version': `compute ${version}` }),
        ...((body !== undefined || raw !== undefined) && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...((body !== undefined || raw !== undefined) && { payload: raw ?? JSON.stringify(body) }),
    });
    const type = String(response.headers['content-type'] ?? '');
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look at what they get
    const parsed: any = /json(;|$)/.test(type) && response.body !== '' ? JSON.parse(response.body) : undefined;
    return { status: response.statusCode, headers: response.headers, text: response.body, body: parsed };
  }

  /** The inputs of the questions asked of one contract since the last look. */
  questions<C extends Contract>(contract: C): InputOf<C>[] {
    const found = this.asked.filter(({ subject }) => subject === contract.subject).map(({ input }) => input as InputOf<C>);
    this.asked.length = 0;
    return found;
  }

  /** The next answers of this contract come from here. */
  answer<C extends Contract>(contract: C, make: (input: InputOf<C>) => OutputOf<C>): void {
    this.#answers.set(contract.subject, make as (input: unknown) => unknown);
  }

  reset(): void {
    this.#answers.clear();
    this.asked.length = 0;
    this.#defaults();
  }

  readonly #answers = new Map<string, (input: unknown) => unknown>();

  #script(): void {
    const contracts: Contract[] = [
      attachDevices, detachDevices, listServerDevices,
      createDeviceClass, createDevicePool, deleteDeviceClass, deleteDevicePool, deviceHistory, getHostTopology, listDeviceClasses, listDevicePools, listDevices, releaseDevice, rescanDevices, updateDeviceClass, updateDevicePool,
      adoptHosts, fenceHost, hostServers, inspectHost, setHostPower, setHostRestart, unfenceHost, viewAdoption,
      askCapacity, askFit, changeAggregate, createAggregate, getAggregate, getPlacementRules, listAggregates, getProjectUsage, listAllocations, listChanges, listProviders, readScheduling, readTimeline,
      resetLimits, setDefaultLimits, setLimits, addFlavorAccess, createServerGroup, deleteFlavorExtraSpec, deleteServerGroup, getDefaultLimits, getServerGroup, listFlavorAccess, listMigrations, listServerGroups, listServerUsages,
      removeFlavorAccess, setFlavorExtraSpecs, updateFlavor,
      confirmResize, deleteServerMetadata, deleteServerTag, evacuateServer, forceDeleteServer, lockServer, migrateServer, pauseServer, rebuildServer, resetServerState, resizeServer, resumeServer, revertResize,
      setServerMetadata, setServerTags, suspendServer, unlockServer, unpauseServer,
      createEnrolToken, createFlavor, createKeypair, createServers, deleteFlavor, deleteKeypair, deleteServer, getConsoleLog, getFlavor, getKeypair, getProjectLimits, getServer, getUsage,
      inspectServer, joinHost, explainPolicy, listAuditRecords, listFlavors, listHosts, listKeypairs, listServers, listZones, rebootServer, rotateTokenKeys, viewTokenKeys, startServer, stopServer, updateHost, updateServer,
    ];
    this.bus.handle(listTokenKeys, async () => ({ keys: [{ kid: this.#key.kid, x: this.#key.x }] }), { group: 'test' });
    for (const contract of contracts) {
      this.bus.handle(contract, async (input) => {
        this.asked.push({ subject: contract.subject, input: input as Record<string, unknown> });
        const make = this.#answers.get(contract.subject);
        if (make === undefined) throw new Error(`no answer scripted for ${contract.subject}`);
        return make(input);
      }, { group: 'test' });
    }
    this.#defaults();
  }

  #defaults(): void {
    const known = (id: string, what = instance({ id: id as never })) => {
      if (id !== SERVER_ID) throw notFound(`Instance ${id} could not be found.`);
      return what;
    };
    this.answer(createServers, ({ instanceIds, name }) => ({ instances: instanceIds.map((id, launchIndex) => instance({ id: id as never, name, launchIndex, step: 'claim-host', hostId: null, hostName: null, launchedAt: null, observedState: null })) }));
    this.answer(listServers, ({ limit }) => ({ instances: [instance()].slice(0, limit), more: false }));
    this.answer(getServer, ({ instanceId }) => known(instanceId));
    this.answer(updateServer, ({ instanceId, name, description, hostname }) => known(instanceId, instance({ ...(name !== undefined && { name }), ...(description !== undefined && { description }), ...(hostname !== undefined && { hostname }) })));
    for (const contract of [
      deleteServer, startServer, stopServer, rebootServer, pauseServer, unpauseServer, suspendServer, resumeServer, lockServer, unlockServer, forceDeleteServer, resetServerState,
      resizeServer, confirmResize, revertResize, migrateServer, evacuateServer, deleteServerMetadata, deleteServerTag,
    ]) this.answer(contract, ({ instanceId }) => { known(instanceId); return {}; });
    this.answer(rebuildServer, ({ instanceId, imageId }) => known(instanceId, instance({ imageId: imageId as never, rebuilding: true, step: 'wait-host' })));
    this.answer(setServerMetadata, ({ instanceId, metadata, replace }) => { known(instanceId); return { metadata: { ...(replace ? {} : { k: 'v' }), ...metadata } }; });
    this.answer(setServerTags, ({ instanceId, tags, replace }) => { known(instanceId); return { tags: [...new Set([...(replace ? [] : ['t']), ...tags])], added: tags.some((tag) => tag !== 't') }; });
    this.answer(getConsoleLog, ({ instanceId }) => { known(instanceId); return { output: 'boot\u001b[0m\r\n\tready\n' }; });
    this.answer(listFlavors, ({ limit }) => ({ flavors: [flavor(), flavor({ id: '2', name: 'm1.tiny' })].slice(0, limit), more: false }));
    this.answer(getFlavor, ({ flavorId }) => {
      if (flavorId !== '1') throw notFound(`Flavor ${flavorId} could not be found.`);
      return flavor({ extraSpecs: { 'hw:cpu_policy': 'dedicated' } });
    });
    this.answer(createFlavor, (input) => input.flavor);
    this.answer(deleteFlavor, () => ({}));
    this.answer(updateFlavor, ({ description }) => flavor({ description }));
    this.answer(setFlavorExtraSpecs, ({ extraSpecs }) => flavor({ extraSpecs }));
    this.answer(deleteFlavorExtraSpec, () => ({}));
    for (const contract of [listFlavorAccess, addFlavorAccess, removeFlavorAccess]) this.answer(contract, () => ({ projectIds: [PROJECT] }));
    this.answer(createServerGroup, ({ groupId, name, policy, maxServerPerHost }) => serverGroup({ id: groupId, name, policy, maxServerPerHost }));
    this.answer(listServerGroups, () => ({ groups: [serverGroup()] }));
    this.answer(getServerGroup, ({ groupId }) => {
      if (groupId !== GROUP_ID) throw notFound(`Instance group ${groupId} could not be found.`);
      return serverGroup();
    });
    this.answer(deleteServerGroup, () => ({}));
    this.answer(listServerUsages, () => ({ usages: [serverUsage()] }));
    this.answer(listMigrations, () => ({ migrations: [migration()], more: false }));
    this.answer(getDefaultLimits, () => ({ limits: { instances: 10, cores: 20, ramMib: 51_200, keypairs: 100, metadataItems: 128, serverGroups: 10, serverGroupMembers: 10 } }));
    this.answer(setLimits, ({ limits }) => ({ limits }));
    this.answer(resetLimits, () => ({}));
    this.answer(setDefaultLimits, ({ limits }) => ({ limits }));
    this.answer(createKeypair, ({ name, publicKey, type }) => ({ keypair: keypair({ name, type, ...(publicKey !== null && { publicKey }) }), privateKey: publicKey === null ? 'SECRET' : null }));
    this.answer(listKeypairs, () => ({ keypairs: [keypair()], more: false }));
    this.answer(getKeypair, ({ name, userId }) => {
      if (name !== 'k') throw notFound(`Keypair ${name} not found for user ${userId}`);
      return keypair();
    });
    this.answer(deleteKeypair, () => ({}));
    this.answer(listAggregates, () => ({ aggregates: [aggregate()] }));
    this.answer(getAggregate, ({ id }) => aggregate({ id }));
    this.answer(createAggregate, ({ uuid, name }) => aggregate({ uuid, name, hosts: [] }));
    this.answer(changeAggregate, ({ id }) => ({ aggregate: aggregate({ id }) }));
    this.answer(readTimeline, () => ({ entries: [], more: false }));
    this.answer(listChanges, ({ after }) => ({ changes: [], upTo: after ?? { xid: '1', id: '0' }, incarnation: 1, more: false, gone: false }));
    this.answer(getUsage, () => ({ instances: 1, cores: 1, ramMib: 64, keypairs: 1, serverGroups: 2 }));
    this.answer(getProjectLimits, ({ projectId }) => {
      if (projectId !== PROJECT) throw notFound(`Could not find project: ${projectId}.`);
      return { limits: { instances: 10, cores: 20, ramMib: 51_200, keypairs: 100, metadataItems: 128, serverGroups: 10, serverGroupMembers: 10 }, generation: 1 };
    });
    this.answer(listHosts, (asked) => ({ hosts: [host()].filter((each) => (asked.name === undefined || each.name === asked.name) && (asked.id === undefined || each.id === asked.id)) }));
    this.answer(updateHost, ({ enabled, disabledReason }) => host({ ...(enabled !== undefined && { enabled }), disabledReason: disabledReason ?? null }));
    this.answer(listZones, () => ({ zones: [{ name: 'nova', available: true, onlyWhenAsked: false, hosts: [{ name: 'alpha', alive: true, enabled: true, lastSeenAt: '2026-11-21T01:02:03.400Z' }] }, { name: 'fleet', available: false, onlyWhenAsked: true, hosts: [] }] }));
    this.answer(createEnrolToken, ({ count }) => ({ tokens: Array.from({ length: count }, (_, index) => `token-${index}`), expiresAt: '2026-11-21T02:00:00.000Z' }));
    this.answer(joinHost, ({ hostId }) => ({ hostId: hostId as never, cellId: 'c1', cloudId: 'c0ffee00-0000-4000-8000-000000000000', natsUrls: ['nats://127.0.0.1:4222'], natsUserJwt: 'jwt', availabilityZone: 'nova' }));
    this.answer(inspectServer, ({ instanceId }) => ({ instance: known(instanceId), step: 'settled', waitingFor: null, attempts: 0, reconcileAt: null, lastError: null, placement: null, events: [], host: null, hostError: null }));
  }
}
