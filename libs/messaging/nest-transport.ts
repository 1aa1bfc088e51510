import { Catch, Module, type DynamicModule, type INestMicroservice, type RpcExceptionFilter, type Type } from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { BaseRpcContext, MessagePattern, Server, type CustomTransportStrategy, type MicroserviceOptions } from '@nestjs/microservices';
import { isObservable, lastValueFrom, throwError, type Observable } from 'rxjs';
import type { Contract } from '#libs/contracts';
import { asSkyError } from '#libs/errors';
import type { Bus, BusContext, Subscription } from './bus.js';

/** Contracts by subject, filled by @Handles: the transport must know the schemas of what it serves. */
const contracts = new Map<string, Contract>();

/**
 * Marks a method of an ordinary Nest controller as the answer to a contract:
 * `@Handles(getServer) get(@Payload() input, @Ctx() context: BusContext)`.
 */
export function Handles(contract: Contract): MethodDecorator {
  contracts.set(contract.subject, contract);
  return MessagePattern(contract.subject);
}

/** Nest's own base class carries the arguments; ours adds the bus context's fields by delegation. */
class RpcContext extends BaseRpcContext<[BusContext]> implements BusContext {
  get hostId(): string | undefined { return this.args[0].hostId; }
  get requestId(): string | undefined { return this.args[0].requestId; }
  get unbounded(): boolean { return this.args[0].unbounded === true; }
  get signal(): AbortSignal { return this.args[0].signal; }
  remainingMs(): number { return this.args[0].remainingMs(); }
}

/** Without it Nest turns whatever a handler throws into "Internal server error". */
@Catch()
class BusErrorFilter implements RpcExceptionFilter {
  catch(exception: unknown): Observable<never> {
    return throwError(() => asSkyError(exception));
  }
}

/** Serves Nest microservice controllers over our Bus; errors cross as SkyError. */
export class BusTransport extends Server implements CustomTransportStrategy {
  readonly #subscriptions: Subscription[] = [];

  constructor(private readonly bus: Bus, private readonly group: string) {
    super();
  }

  listen(callback: (error?: unknown) => void): void {
    for (const [subject, handler] of this.messageHandlers) {
      const contract = contracts.get(subject);
      if (!contract) {
        callback(new Error(`no contract is registered for ${subject}: use @Handles`));
        return;
      }
      const serve = async (input: unknown, context: BusContext): Promise<never> => (await settle(await handler(input, new RpcContext([context])))) as never;
      this.#subscriptions.push(this.bus.handle(contract, serve, { group: this.group }));
    }
    callback();
  }

  async close(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop()));
  }

  /** The bus reports its connection itself (Bus.onConnection). */
  on(): void {}
  unwrap<T>(): T { return this.bus as T; }
}

const settle = (result: unknown): unknown => (isObservable(result) ? lastValueFrom(result, { defaultValue: undefined }) : result);

@Module({})
class BusApplication {}

/** A Nest application whose controllers answer contracts on `bus`; `group` shares the work between replicas. Call listen(). */
export function createBusApplication(module: Type | DynamicModule, bus: Bus, group: string): Promise<INestMicroservice> {
  const root: DynamicModule = { module: BusApplication, imports: [module], providers: [{ provide: APP_FILTER, useClass: BusErrorFilter }] };
  return NestFactory.createMicroservice<MicroserviceOptions>(root, { strategy: new BusTransport(bus, group), logger: ['error', 'warn'] });
}
