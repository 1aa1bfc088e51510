/**
 * Logs (one JSON line each, never a secret), metrics and health on a local port.
 * A process that cannot serve its metrics port goes on and says so: observing must not stop what is observed.
 */
import { createServer, type Server } from 'node:http';
import { pino, type Logger } from 'pino';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export type { Logger } from 'pino';
export { Counter, Gauge, Histogram, Registry };

/** Injection token of the process's Logger. */
export const LOGGER = Symbol('LOGGER');

/** The process's metrics. */
export const metrics = new Registry();

/** Fields that may carry secrets are blanked wherever they stand in a logged object. */
const SECRET_FIELDS = ['password', 'adminPass', 'token', 'secret', 'authorization', 'x-auth-token', 'x-subject-token', 'seed', 'creds', 'userData', 'user_data', 'privateKey'];

export function createLogger(process: string, level: string): Logger {
  return pino({
    level, base: { process }, timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: SECRET_FIELDS.flatMap((field) => [field.includes('-') ? `["${field}"]` : field, field.includes('-') ? `*["${field}"]` : `*.${field}`]), censor: '(secret)' },
    formatters: { level: (label) => ({ level: label }) },
  }, pino.destination({ fd: 1, sync: true }));
}

export interface HealthReport { ok: boolean; parts: Record<string, { ok: boolean; detail?: string }> }

export interface MonitorOptions {
  /** 0: any free port. */
  port: number;
  host?: string;
  health: () => Promise<HealthReport> | HealthReport;
  onProblem: (text: string) => void;
}

/** Serves GET /metrics (Prometheus) and /health (200 or 503, JSON) on a local port. Resolves with the port, or undefined. */
export async function serveMonitor(options: MonitorOptions): Promise<{ port: number | undefined; close(): Promise<void> }> {
  collectDefaultMetrics({ register: metrics });
  const server = createServer((request, response) => {
    void (async () => {
      try {
        if (request.url === '/metrics') {
          response.writeHead(200, { 'content-type': metrics.contentType });
          response.end(await metrics.metrics());
        } else if (request.url === '/health') {
          const health = await options.health();
          response.writeHead(health.ok ? 200 : 503, { 'content-type': 'application/json' });
          response.end(JSON.stringify(health));
        } else {
          response.writeHead(404).end();
        }
      } catch (error) {
        options.onProblem(`monitor: ${String(error)}`);
        response.writeHead(500).end();
      }
    })();
  });
  server.headersTimeout = 2_000;
  server.requestTimeout = 5_000;
  const port = await listen(server, options.port, options.host ?? '127.0.0.1').catch((error: unknown) => {
    options.onProblem(`metrics port ${options.port} is not available: ${String(error)}`);
    return undefined;
  });
  server.unref();
  return {
    port,
    close: () => new Promise((resolve) => { server.closeAllConnections(); server.close(() => resolve()); }),
  };
}

const listen = (server: Server, port: number, host: string): Promise<number> => new Promise((resolve, reject) => {
  server.once('error', reject);
  server.listen(port, host, () => {
    const address = server.address();
    resolve(typeof address === 'object' && address ? address.port : port);
  });
});
