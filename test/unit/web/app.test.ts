import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { type ChunkPool, TextBuffer } from '../../../src/metrics/text-buffer.ts';
import { createApp, type WebOptions } from '../../../src/web/app.ts';
import { closeServers, listenOn } from '../../../src/web/listen.ts';
import { waitFor } from '../../../testbed/wait.ts';
import { textBufferOf } from '../metrics/text.ts';

interface Request {
  readonly timeoutMs: number;
  readonly selected: readonly string[];
}

interface Started {
  readonly url: string;
  readonly port: number;
  /** The requests that reached the scraper, in order. */
  readonly requests: Request[];
  readonly log: Record<string, unknown>[];
}

const COLLECTORS = ['domain', 'machine-type', 'os'];
const open: Server[] = [];

afterEach(() => closeServers(open.splice(0)));

async function start(changes: Partial<WebOptions> = {}): Promise<Started> {
  const requests: Request[] = [];
  const log: Record<string, unknown>[] = [];
  const app = createApp({
    telemetryPath: '/metrics',
    version: '1.2.3',
    collectors: COLLECTORS,
    isReady: () => true,
    scrape: async ({ timeoutMs, selects }) => {
      requests.push({ timeoutMs, selected: COLLECTORS.filter(selects) });
      return textBufferOf('a 1\n', 'b{c="é"} 2\n');
    },
    log: pino({ base: null }, { write: (line: string) => log.push(JSON.parse(line)) }),
    ...changes,
  });
  const [server] = await listenOn([{ host: '127.0.0.1', port: 0 }], app, () => undefined);
  const address = server?.address();
  if (server === undefined || typeof address !== 'object' || address === null) throw new Error('not serving');
  open.push(server);
  return { url: `http://127.0.0.1:${address.port}`, port: address.port, requests, log };
}

/** Sends bytes as they are, where fetch would tidy them up; resolves with the status line. */
function statusOfRaw(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.once('error', reject);
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString().split('\r\n')[0] ?? '');
    });
  });
}

describe('the landing page', () => {
  test('leads to everything there is', async () => {
    const { url } = await start();
    const response = await fetch(url);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const page = await response.text();
    for (const part of ['href="/metrics"', 'href="/-/healthy"', 'href="/-/ready"', '1.2.3', ...COLLECTORS]) {
      expect(page).toContain(part);
    }
  });

  test('every link of it works', async () => {
    const { url } = await start({ telemetryPath: '/custom/path' });
    const page = await (await fetch(url)).text();
    const links = [...page.matchAll(/href="([^"]+)"/g)].map(([, link]) => link);
    expect(links).toEqual(['/custom/path', '/-/healthy', '/-/ready']);
    for (const link of links) expect((await fetch(`${url}${link}`)).status).toBe(200);
  });
});

describe('health and readiness', () => {
  test('healthy without libvirt too', async () => {
    const { url } = await start({ isReady: () => false });
    const response = await fetch(`${url}/-/healthy`);
    expect([response.status, await response.text()]).toEqual([200, 'ok\n']);
  });

  test('ready follows libvirt', async () => {
    let ready = false;
    const { url } = await start({ isReady: () => ready });
    expect((await fetch(`${url}/-/ready`)).status).toBe(503);
    ready = true;
    expect((await fetch(`${url}/-/ready`)).status).toBe(200);
    ready = false;
    expect((await fetch(`${url}/-/ready`)).status).toBe(503);
  });

  test('neither scrapes', async () => {
    const { url, requests } = await start();
    await fetch(`${url}/-/healthy`);
    await fetch(`${url}/-/ready`);
    expect(requests).toEqual([]);
  });
});

describe('the metrics', () => {
  test('are what the scrape wrote, as the text format', async () => {
    const { url } = await start();
    const response = await fetch(`${url}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await response.text()).toBe('a 1\nb{c="é"} 2\n');
  });

  test('are whole however large they are', async () => {
    const piece = `${'x'.repeat(99_999)}\n`;
    const { url } = await start({
      scrape: async () => textBufferOf(...Array.from({ length: 50 }, () => piece)),
    });
    expect(await (await fetch(`${url}/metrics`)).text()).toHaveLength(5_000_000);
  });

  test('are compressed for who can read that, and for nobody else', async () => {
    const text = `a{b="${'c'.repeat(100_000)}"} 1\n`;
    const { url } = await start({ scrape: async () => textBufferOf(text) });
    const fetchAs = async (encoding: string): Promise<Response> =>
      fetch(`${url}/metrics`, { headers: { 'Accept-Encoding': encoding } });
    const gzipped = await fetchAs('gzip');
    expect(gzipped.headers.get('content-encoding')).toBe('gzip');
    expect(await gzipped.text()).toBe(text);
    const plain = await fetchAs('identity');
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(plain.headers.get('content-length')).toBe(String(text.length));
    expect(await plain.text()).toBe(text);
  });

  test('are OpenMetrics for who prefers that', async () => {
    const formats: string[] = [];
    const { url } = await start({
      scrape: async ({ format }) => {
        formats.push(format);
        return textBufferOf('a 1\n');
      },
    });
    const accept = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5';
    const response = await fetch(`${url}/metrics`, { headers: { Accept: accept } });
    expect(response.headers.get('content-type')).toBe(
      'application/openmetrics-text; version=1.0.0; charset=utf-8',
    );
    expect(formats).toEqual(['openmetrics']);
  });

  test('tell nothing of the software that serves them', async () => {
    const { url } = await start();
    const { headers } = await fetch(`${url}/metrics`);
    expect([headers.get('x-powered-by'), headers.get('etag')]).toEqual([null, null]);
  });

  test('move with --web.telemetry-path', async () => {
    const { url } = await start({ telemetryPath: '/custom/path.txt' });
    expect(await (await fetch(`${url}/custom/path.txt`)).text()).toContain('a 1\n');
    const old = await fetch(`${url}/metrics`);
    expect([old.status, await old.text()]).toEqual([404, 'not found; metrics are at /custom/path.txt\n']);
    expect((await fetch(`${url}/custom/pathXtxt`)).status).toBe(404);
  });

  test.each<[string | undefined, number]>([
    [undefined, 9_500],
    ['3', 2_500],
    ['0.2', 100],
    ['1e999', 9_500],
    ['-5', 9_500],
    ['soon', 9_500],
    ['NaN', 9_500],
    ['99999999999', 119_500],
  ])('a scrape that says it waits %j s has %d ms', async (header, timeoutMs) => {
    const { url, requests } = await start();
    const headers = header === undefined ? {} : { 'X-Prometheus-Scrape-Timeout-Seconds': header };
    expect((await fetch(`${url}/metrics`, { headers })).status).toBe(200);
    expect(requests).toEqual([{ timeoutMs, selected: COLLECTORS }]);
  });

  test.each([
    ['?collect[]=os', ['os']],
    ['?collect[]=os&collect[]=domain', ['domain', 'os']],
    ['?exclude%5B%5D=machine-type', ['domain', 'os']],
    ['?', COLLECTORS],
    ['?x=%', COLLECTORS],
  ])('%s runs %j', async (query, selected) => {
    const { url, requests } = await start();
    expect((await fetch(`${url}/metrics${query}`)).status).toBe(200);
    expect(requests).toEqual([{ timeoutMs: 9_500, selected }]);
  });

  test.each([
    ['?collect[]=os&exclude[]=domain', 'collect[] and exclude[] cannot be combined\n'],
    ['?collect[]=nothing', 'no enabled collector is named "nothing"\n'],
    ['?exclude[]=nothing', 'no enabled collector is named "nothing"\n'],
    ['?collect[]=%3Cscript%3E', 'no enabled collector is named "<script>"\n'],
  ])('%s is a bad request, as plain text and without a scrape or a log line', async (query, message) => {
    const { url, requests, log } = await start();
    const response = await fetch(`${url}/metrics${query}`);
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await response.text()).toBe(message);
    expect([requests, log]).toEqual([[], []]);
  });

  test('a scrape that throws: 500, the reason only in the log', async () => {
    const { url, log } = await start({
      scrape: () => Promise.reject(new Error('secret /run/path')),
    });
    const response = await fetch(`${url}/metrics`);
    expect([response.status, await response.text()]).toEqual([500, 'internal error; see the log\n']);
    expect(log).toEqual([
      expect.objectContaining({
        level: 50,
        msg: 'request failed; the client got status 500',
        err: expect.objectContaining({ message: 'secret /run/path' }),
      }),
    ]);
  });

  test('after a scrape that threw the next one is served', async () => {
    let failures = 1;
    const { url } = await start({
      scrape: async () => {
        if (failures-- > 0) throw new Error('once');
        return textBufferOf('a 1\n');
      },
    });
    expect((await fetch(`${url}/metrics`)).status).toBe(500);
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
  });

  test('scrapes that hand on their memory never mix, though clients leave halfway', async () => {
    const pool: ChunkPool = [];
    let count = 0;
    const { url } = await start({
      scrape: async () => {
        const letter = String.fromCharCode('a'.charCodeAt(0) + (count++ % 26));
        const out = new TextBuffer(pool);
        for (let index = 0; index < 1_000; index++) out.write(letter.repeat(1_000));
        return out;
      },
    });
    const read = async (): Promise<boolean> => {
      const body = await (await fetch(`${url}/metrics`)).text();
      return body === body.charAt(0).repeat(1_000_000);
    };
    const leave = async (): Promise<boolean> => {
      const leaving = new AbortController();
      await fetch(`${url}/metrics`, { signal: leaving.signal });
      leaving.abort();
      return true;
    };
    for (let round = 0; round < 4; round++) {
      const clients = Array.from({ length: 12 }, (_, index) => (index % 3 === 0 ? leave() : read()));
      expect(new Set(await Promise.all(clients))).toEqual(new Set([true]));
    }
    expect(pool.length).toBeGreaterThan(0);
  });

  test('a client that goes away during its scrape harms nobody', async () => {
    let arrived = (): void => undefined;
    let finish = (): void => undefined;
    const begun = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { url, log } = await start({
      scrape: async () => {
        arrived();
        await held;
        return textBufferOf('a 1\n');
      },
    });
    const leaving = new AbortController();
    const left = fetch(`${url}/metrics`, { signal: leaving.signal });
    await begun;
    leaving.abort();
    await expect(left).rejects.toThrow();
    finish();
    expect(await (await fetch(`${url}/metrics`)).text()).toBe('a 1\n');
    expect(log).toEqual([]);
  });
});

describe('clients that are many, or do not read', () => {
  /** A scrape that ends when the test says so. */
  function heldScrapes(): { scrape: WebOptions['scrape']; begun: () => number; finish: () => void } {
    let begun = 0;
    const waiting: (() => void)[] = [];
    return {
      scrape: async () => {
        begun += 1;
        await new Promise<void>((resolve) => waiting.push(resolve));
        return textBufferOf('a 1\n');
      },
      begun: () => begun,
      finish: () => {
        for (const finish of waiting.splice(0)) finish();
      },
    };
  }

  const untilBegun = (held: { begun: () => number }, count: number) =>
    waitFor(async () => held.begun() >= count || undefined, {
      what: `${count} scrapes to be under way`,
      timeoutMs: 5_000,
      everyMs: 5,
    });

  test('the seventeenth scrape at a time gets 503', async () => {
    const held = heldScrapes();
    const { url } = await start({ scrape: held.scrape });
    const served = Array.from({ length: 16 }, () => fetch(`${url}/metrics`));
    await untilBegun(held, 16);
    const refused = await fetch(`${url}/metrics?collect[]=os`);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await refused.text()).toBe('16 scrapes are in progress already\n');
    expect((await fetch(`${url}/-/healthy`)).status).toBe(200);
    held.finish();
    for (const response of await Promise.all(served)) expect(await response.text()).toBe('a 1\n');
    const after = fetch(`${url}/metrics`);
    await untilBegun(held, 17);
    held.finish();
    expect((await after).status).toBe(200);
  });

  test('a client that leaves makes no room as long as its scrape goes on', async () => {
    const held = heldScrapes();
    const { url } = await start({ scrape: held.scrape });
    const leaving = new AbortController();
    const left = Array.from({ length: 16 }, () => fetch(`${url}/metrics`, { signal: leaving.signal }));
    await untilBegun(held, 16);
    leaving.abort();
    await Promise.allSettled(left);
    expect((await fetch(`${url}/metrics`)).status).toBe(503);
    expect(held.begun()).toBe(16);
  });

  test('one that asks sixteen times without waiting, and hangs up, takes nothing from others', async () => {
    const held = heldScrapes();
    const { url, port } = await start({ scrape: held.scrape });
    const accepted = new Promise<Socket>((resolve) => open[0]?.once('connection', resolve));
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(16));
    await untilBegun(held, 1);
    const closed = once(await accepted, 'close');
    socket.destroy();
    await closed;
    held.finish();
    const before = held.begun();
    const served = Array.from({ length: 16 }, () => fetch(`${url}/metrics`));
    await untilBegun(held, before + 16);
    held.finish();
    expect((await Promise.all(served)).map(({ status }) => status)).toEqual(Array(16).fill(200));
  });

  test('a scrape that is sent before the one before it is answered gets 503, the next one is served', async () => {
    const held = heldScrapes();
    const { port } = await start({ scrape: held.scrape });
    const request = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n';
    const socket = connect(port, '127.0.0.1');
    let answers = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      answers += text;
    });
    const untilAnswered = (statuses: string[]) =>
      waitFor(
        async () =>
          statuses.join() ===
            [...answers.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => status).join() || undefined,
        { what: `the answers ${statuses.join()}`, timeoutMs: 5_000, everyMs: 5 },
      );
    socket.write(request.repeat(2));
    await untilBegun(held, 1);
    held.finish();
    await untilAnswered(['200', '503']);
    expect(answers).toContain('an earlier request of this connection is not answered yet\n');
    socket.write(request);
    await untilBegun(held, 2);
    held.finish();
    await untilAnswered(['200', '503', '200']);
    socket.destroy();
  });

  test.each(['', 'Accept-Encoding: gzip\r\n'])('one that takes nothing is cut off (%j)', async (header) => {
    const noise = () => randomBytes(500_000).toString('base64');
    const { port } = await start({
      scrape: async () => textBufferOf(...Array.from({ length: 48 }, noise)),
      stalledMs: 100,
    });
    const accepted = new Promise<Socket>((resolve) => open[0]?.once('connection', resolve));
    const socket = connect(port, '127.0.0.1');
    socket.pause();
    socket.write(`GET /metrics HTTP/1.1\r\nHost: x\r\n${header}\r\n`);
    await once(await accepted, 'close');
    socket.destroy();
  });
});

describe('anything else', () => {
  test.each([
    ['GET', '/nothing'],
    ['GET', '/metrics/more'],
    ['GET', '/-/'],
    ['GET', '/-/reload'],
    ['POST', '/metrics'],
    ['PUT', '/-/healthy'],
    ['DELETE', '/'],
  ])('%s %s is not found', async (method, path) => {
    const { url, requests } = await start();
    const response = await fetch(`${url}${path}`, { method });
    expect(response.status).toBe(404);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await response.text()).toBe('not found; metrics are at /metrics\n');
    expect(requests).toEqual([]);
  });

  test.each([
    ['a target that is no path', 'GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n', '404'],
    ['two slashes', 'GET //metrics HTTP/1.1\r\nHost: x\r\n\r\n', '404'],
    ['a target with dots', 'GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n', '404'],
    ['a whole URL', 'GET http://x/metrics HTTP/1.1\r\nHost: x\r\n\r\n', '200'],
    ['a URL without an end', 'GET http://[/metrics HTTP/1.1\r\nHost: x\r\n\r\n', '4'],
    ['a URL with a port that cannot be', 'GET http://x:99999/metrics HTTP/1.1\r\nHost: x\r\n\r\n', '[24]'],
    ['a URL with a query', 'GET http://x/metrics?collect[]=nothing HTTP/1.1\r\nHost: x\r\n\r\n', '400'],
    ['no HTTP at all', 'nonsense\r\n\r\n', '400'],
    ['headers without an end', `GET / HTTP/1.1\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`, '431'],
  ])('%s', async (_case, request, status) => {
    const { port, log } = await start();
    expect(await statusOfRaw(port, request)).toMatch(new RegExp(`^HTTP/1\\.1 ${status}`));
    expect(log).toEqual([]);
  });
});
