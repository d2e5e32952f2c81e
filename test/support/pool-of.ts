import { type Logger, pino } from 'pino';
import { CallPool } from '../../src/daemon/call-pool.ts';
import { type Clock, SYSTEM_CLOCK } from '../../src/daemon/clock.ts';
import { openReadOnly } from '../../src/daemon/daemon.ts';
import { StatisticsClient } from '../../src/daemon/statistics-client.ts';
import { UnresponsiveDomains } from '../../src/daemon/unresponsive-domains.ts';
import { WorkerBudget } from '../../src/daemon/worker-budget.ts';
import { type FakeLibvirtd, targetOf } from './fake-libvirtd.ts';

/** A call pool over connections to a fake daemon, with its budget and its registry. */
export interface FakePool {
  readonly pool: CallPool;
  readonly statistics: StatisticsClient;
  readonly unresponsive: UnresponsiveDomains;
  readonly budget: WorkerBudget;
}

export function poolOf(
  daemon: FakeLibvirtd,
  log: Logger = pino({ level: 'silent' }),
  clock: Clock = SYSTEM_CLOCK,
): FakePool {
  const budget = new WorkerBudget(clock);
  const unresponsive = new UnresponsiveDomains(log);
  const open = openReadOnly({ target: targetOf(daemon.path), timeoutMs: 1_000, onCallSent: () => undefined });
  const pool = new CallPool({ open, budget, unresponsive, clock });
  return { pool, statistics: new StatisticsClient(pool), unresponsive, budget };
}
