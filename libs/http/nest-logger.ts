import type { LoggerService } from '@nestjs/common';
import type { Logger } from '#libs/observability';

/** Nest's own words, in our log: its start-up chatter is for debugging. */
export function nestLogger(logger: Logger): LoggerService {
  const say = (level: 'debug' | 'warn' | 'error') => (message: unknown, ...rest: unknown[]): void => {
    logger[level]({ nest: String(rest.at(-1) ?? ''), ...(level === 'error' && rest.length > 1 && { stack: String(rest[0]) }) }, String(message));
  };
  return { log: say('debug'), debug: say('debug'), verbose: say('debug'), warn: say('warn'), error: say('error'), fatal: say('error') };
}
