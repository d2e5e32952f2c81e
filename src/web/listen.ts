import { createServer, type RequestListener, type Server } from 'node:http';
import type { ListenAddress } from '../config/listen-address.ts';

/** Far above what Prometheus needs; keeps a runaway client from exhausting file descriptors. */
const MAX_CONNECTIONS = 256;
const HEADERS_TIMEOUT_MS = 10_000;

/**
 * Serves on every address; resolves once all listen. Errors that come later go to `onError`.
 * @throws the system error (EADDRINUSE, EACCES, …) of the first address that cannot be had
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

/** Takes no more requests and ends what is open, scrapes under way included. */
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
