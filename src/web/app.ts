import compression from 'compression';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import type { Logger } from 'pino';
import type { ScrapeRequest } from '../metrics/scraper.ts';
import type { TextBuffer } from '../metrics/text-buffer.ts';
import { selectCollectors } from './collector-selection.ts';
import { renderLandingPage } from './landing-page.ts';
import { CONTENT_TYPES, preferredFormat } from './negotiate.ts';
import { scrapeTimeoutMs } from './scrape-timeout.ts';

export interface WebOptions {
  readonly telemetryPath: string;
  readonly version: string;
  /** Names of the enabled collectors. */
  readonly collectors: readonly string[];
  /** Renders the metrics of one scrape. */
  readonly scrape: (request: ScrapeRequest) => Promise<TextBuffer>;
  /** Whether libvirt answers. */
  readonly isReady: () => boolean;
  readonly log: Logger;
  /** How long a client may read nothing of its response before the connection is closed, in milliseconds. */
  readonly stalledMs?: number;
}

/** 600 KB become 47 KB in 2.2 ms; at zlib's default level 40 KB in 4.7 ms. */
const COMPRESSION_LEVEL = 1;

/** A client that reads nothing of its response for this long is gone; its response would stay in memory. */
const STALLED_MS = 30_000;
/**
 * Scrapes at a time, from the request to the end of the response. Each may start a snapshot, and its text, 8 MB for
 * 1,000 domains, stays in memory until the client has read it. Two Prometheus servers need two.
 */
const MAX_SCRAPES = 16;
const RETRY_AFTER_SECONDS = '5';

/** The exporter's HTTP server. It reads nothing of requests but the scrape's timeout, format and collectors. */
export function createApp(options: WebOptions): Express {
  const app = express();
  let inProgress = 0;
  app.disable('x-powered-by');
  app.set('etag', false);

  app.get('/', (_request, response) => {
    response.type('html').send(renderLandingPage(options));
  });
  app.get('/-/healthy', (_request, response) => {
    response.type('text').send('ok\n');
  });
  app.get('/-/ready', (_request, response) => {
    const ready = options.isReady();
    response
      .status(ready ? 200 : 503)
      .type('text')
      .send(ready ? 'libvirt answers\n' : 'libvirt does not answer\n');
  });
  app.use(options.telemetryPath, compression({ level: COMPRESSION_LEVEL }));
  app.get(options.telemetryPath, async (request, response) => {
    const selects = selectCollectors(queryOf(request.originalUrl), options.collectors);
    // When the client leaves, Node emits `close` only on the response that has the socket. A response that is queued
    // behind it (HTTP pipelining) would count as a scrape for ever.
    const isQueued = response.socket === null;
    if (isQueued || inProgress >= MAX_SCRAPES) {
      const message = isQueued
        ? 'an earlier request of this connection is not answered yet\n'
        : `${MAX_SCRAPES} scrapes are in progress already\n`;
      response.status(503).set('Retry-After', RETRY_AFTER_SECONDS).type('text').send(message);
      return;
    }
    inProgress += 1;
    const timeoutMs = scrapeTimeoutMs(request.get('X-Prometheus-Scrape-Timeout-Seconds'));
    const gone = new AbortController();
    const closed = new Promise<void>((resolve) => response.once('close', resolve));
    response.once('close', () => gone.abort());
    const format = preferredFormat(request.get('Accept'));
    const scrape = options.scrape({ timeoutMs, format, selects, signal: gone.signal });
    // The snapshot of a client that leaves early goes on until it ends.
    void Promise.allSettled([scrape, closed]).then(() => {
      inProgress -= 1;
    });
    const text = await scrape;
    if (gone.signal.aborted) {
      text.release();
      return;
    }
    gone.signal.addEventListener('abort', () => text.release(), { once: true });
    response.setTimeout(options.stalledMs ?? STALLED_MS, () => response.destroy());
    const chunks = text.finish();
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
    response.set({ 'Content-Type': CONTENT_TYPES[format], 'Content-Length': String(bytes) });
    for (const chunk of chunks) response.write(chunk);
    response.end();
  });
  app.use((_request, response) => {
    response.status(404).type('text').send(`not found; metrics are at ${options.telemetryPath}\n`);
  });
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    const clientFault = error instanceof Error && 'code' in error && error.code === 'ERR_COLLECTOR_SELECTION';
    if (!clientFault) options.log.error({ err: error }, 'request failed; the client got status 500');
    const message = clientFault && error instanceof Error ? error.message : 'internal error; see the log';
    response
      .status(clientFault ? 400 : 500)
      .type('text')
      .send(`${message}\n`);
  });
  return app;
}

/** Parses the query alone: the rest of a request for a proxy need not be a valid URL. */
function queryOf(target: string): URLSearchParams {
  const start = target.indexOf('?');
  return new URLSearchParams(start < 0 ? '' : target.slice(start + 1));
}
