import { StatsClient } from '../../../src/daemon/stats-client.ts';
import { DaemonWorkers } from '../../../src/stats/daemon-workers.ts';
import { PendingCalls } from '../../../src/stats/pending-calls.ts';
import { type FakeLibvirtd, targetOf } from '../../support/fake-libvirtd.ts';

/** Calls to a fake daemon. */
export function callsTo(daemon: FakeLibvirtd): PendingCalls {
  return new PendingCalls({
    workers: new DaemonWorkers(),
    connect: () =>
      StatsClient.connect({
        target: targetOf(daemon.path),
        timeoutMs: 1_000,
        onClose: () => undefined,
        onCallSent: () => undefined,
      }),
  });
}
