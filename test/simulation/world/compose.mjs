// Composes the providers of an app's own Nest module, without Nest: the same classes with the same hands, in no real
// time. Controllers answer on the simulated bus as the transport would have them do.
import 'reflect-metadata';
import * as contracts from '#libs/contracts';
import { asSkyError } from '#libs/errors';
import { lastValueFrom } from 'rxjs';

const bySubject = new Map(Object.values(contracts).filter((each) => typeof each?.subject === 'string' && each.input).map((each) => [each.subject, each]));
const PATTERN = 'microservices:pattern';

/** @returns what get(token) finds, and start(): runs the hooks and serves. */
export function compose(module, bus, group) {
  const made = new Map();
  const providers = new Map(module.providers.map((provider) => (typeof provider === 'function' ? [provider, { useClass: provider }] : [provider.provide, provider])));
  const get = (token) => {
    if (made.has(token)) return made.get(token);
    const provider = providers.get(token);
    if (provider === undefined) throw new Error(`nothing provides ${String(token.name ?? token.toString())}`);
    const one = provider.useClass ? create(provider.useClass) : provider.useFactory ? provider.useFactory(...(provider.inject ?? []).map(get)) : provider.useExisting ? get(provider.useExisting) : provider.useValue;
    made.set(token, one);
    return one;
  };
  const create = (type) => {
    const types = Reflect.getMetadata('design:paramtypes', type) ?? [];
    const own = new Map((Reflect.getMetadata('self:paramtypes', type) ?? []).map(({ index, param }) => [index, param]));
    return new type(...types.map((each, index) => get(own.get(index) ?? each)));
  };
  for (const token of providers.keys()) get(token);
  const controllers = (module.controllers ?? []).map((type) => ({ type, one: create(type) }));
  const serve = () => {
    for (const { type, one } of controllers) {
      const filters = (Reflect.getMetadata('__exceptionFilters__', type) ?? []).map((filter) => (typeof filter === 'function' ? new filter() : filter));
      for (const name of Object.getOwnPropertyNames(type.prototype)) {
        const [subject] = Reflect.getMetadata(PATTERN, type.prototype[name]) ?? [];
        if (subject === undefined) continue;
        bus.handle(bySubject.get(subject), async (input, context) => {
          try { return await one[name](input, context); } catch (error) {
            if (filters.length === 0) throw asSkyError(error);
            return lastValueFrom(filters[0].catch(error));
          }
        }, { group });
      }
    }
  };
  const start = async () => {
    const all = [...[...made.values()], ...controllers.map(({ one }) => one)];
    for (const one of all) await one?.onModuleInit?.();
    for (const one of all) await one?.onApplicationBootstrap?.();
    serve();
  };
  return { get, start };
}
