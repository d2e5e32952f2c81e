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
  /** For how long a client may take nothing of its response, in milliseconds. */
  readonly stalledMs?: number;
}

/** 600 KB become 47 KB in 2.2 ms; at zlib's usual level 40 KB in 4.7 ms. */
const COMPRESSION_LEVEL = 1;

/** A client that takes nothing of its response for this long is gone; what it was to get would stay in memory. */
const STALLED_MS = 30_000;
/**
 * Scrapes from their request to the end of their response. Each may begin a collection, and holds its text, 8 MB for
 * 1,000 domains, until the client has it; a Prometheus and its twin are two.
 */
const MOST_SCRAPES = 16;
const RETRY_AFTER_SECONDS = '5';

/** The exporter's HTTP surface. It reads nothing from requests but the scrape's timeout and selection. */
export function createApp(options: WebOptions): Express {
  const app = express();
  let underWay = 0;
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
    // When the client leaves, Node emits `close` only on the response that has the socket: one that is queued behind it
    // (HTTP pipelining) would hold its place for good.
    const isQueued = response.socket === null;
    if (isQueued || underWay >= MOST_SCRAPES) {
      const message = isQueued
        ? 'an earlier request of this connection is not answered yet\n'
        : `${MOST_SCRAPES} scrapes are under way already\n`;
      response.status(503).set('Retry-After', RETRY_AFTER_SECONDS).type('text').send(message);
      return;
    }
    underWay += 1;
    const timeoutMs = scrapeTimeoutMs(request.get('X-Prometheus-Scrape-Timeout-Seconds'));
    const gone = new AbortController();
    const closed = new Promise<void>((resolve) => response.once('close', resolve));
    response.once('close', () => gone.abort());
    const format = preferredFormat(request.get('Accept'));
    const scrape = options.scrape({ timeoutMs, format, selects, signal: gone.signal });
    // Whoever leaves early leaves a collection behind.
    void Promise.allSettled([scrape, closed]).then(() => {
      underWay -= 1;
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
    if (!clientFault) options.log.error({ err: error }, 'request failed');
    const message = clientFault && error instanceof Error ? error.message : 'internal error; see the log';
    response
      .status(clientFault ? 400 : 500)
      .type('text')
      .send(`${message}\n`);
  });
  return app;
}

/** What precedes the query is the router's business; in a request for a proxy it need not even be a URL. */
function queryOf(target: string): URLSearchParams {
  const start = target.indexOf('?');
  return new URLSearchParams(start < 0 ? '' : target.slice(start + 1));
}
