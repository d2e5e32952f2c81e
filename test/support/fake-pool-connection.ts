import { createDeferred } from '../../src/concurrency.ts';
import type { OpenPoolConnection, PoolConnection } from '../../src/daemon/pool-connections.ts';
import { LibvirtServerError, LibvirtTransportError } from '../../src/libvirt/errors.ts';
import type { Procedure } from '../../src/libvirt/procedures/procedure.ts';

/** As many unanswered calls as libvirtd serves of one client, see MAX_IN_FLIGHT. */
const ROOM = 4;

/** A call that arrived at a fake connection; it has no answer until a test gives one. */
export interface FakeCall {
  readonly procedure: string;
  readonly args: unknown;
  readonly connection: FakePoolConnection;
  readonly reply: (value?: unknown) => void;
  readonly fail: (number: number) => void;
}

export interface FakePoolConnection extends PoolConnection {
  /** Calls without an answer. */
  readonly unanswered: ReadonlySet<FakeCall>;
  /** libvirtd closes the connection. */
  readonly end: () => void;
}

export interface FakePoolConnections {
  readonly open: OpenPoolConnection;
  /** All that were opened, in order. */
  readonly opened: readonly FakePoolConnection[];
  /** All calls, in the order of their arrival. */
  readonly calls: readonly FakeCall[];
  /** Those without an answer, over all connections. */
  readonly unanswered: () => FakeCall[];
  /** Calls that were sent over a connection without room. */
  readonly beyondRoom: () => number;
  /** Attempts to connect, refused ones included. */
  readonly attempts: () => number;
  /** While true, no connection can be opened. */
  isRefusing: boolean;
}

/** Connections for the call pool without a socket: `onCall` sees each call, and may answer it. */
export function fakePoolConnections(
  onCall: (call: FakeCall) => void = () => undefined,
  onOpen: (connection: FakePoolConnection) => void = () => undefined,
): FakePoolConnections {
  const opened: FakePoolConnection[] = [];
  const calls: FakeCall[] = [];
  let beyondRoom = 0;
  let attempts = 0;
  const fake: FakePoolConnections = {
    opened,
    calls,
    unanswered: () => opened.flatMap(({ unanswered }) => [...unanswered]),
    beyondRoom: () => beyondRoom,
    attempts: () => attempts,
    isRefusing: false,
    open: async ({ onClose }) => {
      attempts += 1;
      await new Promise((resolve) => setImmediate(resolve));
      if (fake.isRefusing) throw new LibvirtTransportError('ERR_LIBVIRT_CONNECT', 'refused');
      let isOpen = true;
      const rejections = new Map<FakeCall, (error: Error) => void>();
      const connection: FakePoolConnection = {
        unanswered: new Set(),
        get isOpen() {
          return isOpen;
        },
        get room() {
          return isOpen ? ROOM - rejections.size : 0;
        },
        send: <Args, Reply>(procedure: Procedure<Args, Reply>, args: Args): Promise<Reply> => {
          if (connection.room <= 0) beyondRoom += 1;
          const answer = createDeferred<Reply>();
          const settle = (): void => {
            rejections.delete(call);
            unanswered.delete(call);
          };
          const call: FakeCall = {
            procedure: procedure.name,
            args,
            connection,
            reply: (value) => {
              settle();
              answer.resolve(value as Reply);
            },
            fail: (number) => {
              settle();
              answer.reject(new LibvirtServerError(number, 10, 'failed'));
            },
          };
          rejections.set(call, answer.reject);
          unanswered.add(call);
          calls.push(call);
          onCall(call);
          return answer.promise;
        },
        end: () => {
          if (!isOpen) return;
          isOpen = false;
          const closed = new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'libvirt closed the connection');
          for (const reject of rejections.values()) reject(closed);
          rejections.clear();
          unanswered.clear();
          onClose(closed);
        },
      };
      const unanswered = connection.unanswered as Set<FakeCall>;
      opened.push(connection);
      onOpen(connection);
      return { connection, close: async () => connection.end() };
    },
  };
  return fake;
}
