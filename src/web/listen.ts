import { createServer, type RequestListener, type Server } from 'node:http';
import type { ListenAddress } from '../config/listen-address.ts';

/** Far more than Prometheus needs; a runaway client cannot exhaust the file descriptors. */
const MAX_CONNECTIONS = 256;
const HEADERS_TIMEOUT_MS = 10_000;

/**
 * Serves on every address; resolves once all listen. Errors after that go to `onError`.
 * @throws the system error (EADDRINUSE, EACCES, …) of the first address that fails
 */
export async function listenOn(
  addresses: readonly ListenAddress[],
  handler: RequestListener,
  onError: (error: Error) => void,
): Promise<readonly Server[]> {
  const servers: Server[] = [];
  try {
    for (const { host, port } of addresses) {
      const server = createServer(
        { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: HEADERS_TIMEOUT_MS },
        handler,
      );
      server.maxConnections = MAX_CONNECTIONS;
      servers.push(server);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
      });
      server.removeAllListeners('error').on('error', onError);
    }
    return servers;
  } catch (error) {
    await closeServers(servers);
    throw error;
  }
}

/** Accepts no more requests and closes all connections, those with a scrape in progress included. */
export async function closeServers(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    ),
  );
}
