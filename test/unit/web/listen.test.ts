import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { closeServers, listenOn } from '../../../src/web/listen.ts';

const LOCAL = { host: '127.0.0.1', port: 0 };
const answer: RequestListener = (_request, response) => response.end('here');

const open: Server[] = [];

const ignore = (): void => undefined;

afterEach(() => closeServers(open.splice(0)));

async function listen(
  addresses: Parameters<typeof listenOn>[0],
  handler: RequestListener = answer,
): Promise<readonly Server[]> {
  const servers = await listenOn(addresses, handler, ignore);
  open.push(...servers);
  return servers;
}

function addressOf(server: Server | undefined): AddressInfo {
  const address = server?.address();
  if (typeof address !== 'object' || address === null) throw new Error('not listening');
  return address;
}

function portOf(server: Server | undefined): number {
  return addressOf(server).port;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const [server] = await listenOn([LOCAL], answer, ignore);
  const port = portOf(server);
  await closeServers(server === undefined ? [] : [server]);
  return port;
}

describe('listenOn', () => {
  test('serves on every address, in order', async () => {
    const [one, two] = await listen([LOCAL, LOCAL]);
    expect(portOf(one)).not.toBe(portOf(two));
    for (const server of [one, two]) {
      expect(await (await fetch(`http://127.0.0.1:${portOf(server)}`)).text()).toBe('here');
    }
  });

  test('without a host: on all addresses', async () => {
    const [server] = await listen([{ host: undefined, port: 0 }]);
    expect(['::', '0.0.0.0']).toContain(addressOf(server).address);
    expect((await fetch(`http://127.0.0.1:${portOf(server)}`)).status).toBe(200);
  });

  test('an address in use: rejects, and gives back what it had already', async () => {
    const [occupant] = await listen([LOCAL]);
    const first = await freePort();
    const taken = { host: '127.0.0.1', port: portOf(occupant) };
    await expect(listenOn([{ host: '127.0.0.1', port: first }, taken], answer, ignore)).rejects.toMatchObject(
      {
        code: 'EADDRINUSE',
        port: taken.port,
      },
    );
    const again = createServer(answer);
    open.push(again);
    await new Promise<void>((resolve, reject) => {
      again.once('error', reject);
      again.listen(first, '127.0.0.1', resolve);
    });
    expect(portOf(again)).toBe(first);
    expect((await fetch(`http://127.0.0.1:${taken.port}`)).status).toBe(200);
  });

  test('an address that is not ours: rejects', async () => {
    await expect(listenOn([{ host: '192.0.2.1', port: 0 }], answer, ignore)).rejects.toMatchObject({
      code: 'EADDRNOTAVAIL',
    });
  });

  test('no address: no server', async () => {
    expect(await listenOn([], answer, ignore)).toEqual([]);
  });
});

describe('closeServers', () => {
  test('ends a request under way', async () => {
    let arrived = (): void => undefined;
    const begun = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const [server] = await listen([LOCAL], () => arrived());
    const request = fetch(`http://127.0.0.1:${portOf(server)}`);
    const refused = expect(request).rejects.toThrow('fetch failed');
    await begun;
    await closeServers(server === undefined ? [] : [server]);
    await refused;
    expect(server?.listening).toBe(false);
  });

  test('ends a connection that is kept alive', async () => {
    const [server] = await listen([LOCAL]);
    const url = `http://127.0.0.1:${portOf(server)}`;
    await (await fetch(url)).text();
    await closeServers(server === undefined ? [] : [server]);
    await expect(fetch(url)).rejects.toThrow('fetch failed');
  });

  test('closing twice is no failure', async () => {
    const servers = await listen([LOCAL]);
    await closeServers(servers);
    await expect(closeServers(servers)).resolves.toBeUndefined();
  });
});
