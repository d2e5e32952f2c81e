import { jest } from '@jest/globals';
import { pino } from 'pino';
import { Daemon } from '../../../src/daemon/daemon.ts';
import { Inventory } from '../../../src/inventory/inventory.ts';
import type { DomainRef } from '../../../src/libvirt/types.ts';
import { STATS, StatsReader } from '../../../src/stats/stats-reader.ts';
import { settleFrames } from '../../support/fake-clock.ts';
import { targetOf } from '../../support/fake-libvirtd.ts';

const STEP_MS = 25;
const TIMEOUT_MS = 5_000;
const RETRY_FAILED_MS = 15_000;

/** All that the exporter does with libvirt, wired as in src/exporter.ts, in time that a test moves. */
export interface WholeDaemon {
  readonly daemon: Daemon;
  readonly log: readonly { level: number; msg: string }[];
  /** Names of the running domains that one scrape shows complete; rejects when libvirt cannot be reached. */
  readonly scrape: (timeoutMs?: number) => Promise<string[]>;
  /** The running domains, as far as the inventory knows them. */
  readonly running: () => DomainRef[];
  /** Moves time on. */
  readonly pass: (ms: number) => Promise<void>;
  /** Moves time on until the promise settles. */
  readonly until: <T>(promise: Promise<T>) => Promise<T>;
  readonly stop: () => Promise<void>;
}

/**
 * `sockets` is read at each attempt to connect. `frames` counts what the fake daemon has received; sockets are real, so time
 * stands still until nothing arrives any more. Needs {@link fakeTime}.
 */
export function startWholeDaemon(sockets: readonly string[], frames: () => number): WholeDaemon {
  const lines: { level: number; msg: string }[] = [];
  const log = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const daemon: Daemon = new Daemon({
    target: { ...targetOf(), readOnlySockets: sockets, readWriteSockets: sockets },
    timeoutMs: TIMEOUT_MS,
    onCallSent: () => undefined,
    onDomainEvent: (event) => inventory.handleEvent(event),
    onConnected: (client) => inventory.connected(client),
    onDisconnected: () => undefined,
    log,
  });
  const inventory: Inventory = new Inventory({
    log,
    isUnresponsive: (domain) => daemon.unresponsive.has(domain),
  });
  const reader = new StatsReader({ client: daemon.statistics, unresponsive: daemon.unresponsive, log });
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      await settleFrames(frames);
      jest.advanceTimersByTime(STEP_MS);
    }
    await settleFrames(frames);
  };
  daemon.start();
  const retries = setInterval(() => void inventory.retryFailed().catch(() => undefined), RETRY_FAILED_MS);
  return {
    daemon,
    log: lines,
    scrape: async (timeoutMs = 8_000) => {
      const deadline = performance.now() + timeoutMs;
      const client = await daemon.connected();
      const { domains } = await inventory.snapshot(client, deadline);
      const running = domains.filter(({ id }) => id >= 0);
      const { of } = await reader.measure(running, new Set(STATS), { deadline });
      return running.filter((domain) => of(domain)?.complete === true).map(({ name }) => name);
    },
    running: () => [...inventory.running()].map(({ name, uuid, id }) => ({ name, uuid, id })),
    pass,
    until: async (promise) => {
      let isOver = false;
      const note = (): void => {
        isOver = true;
      };
      promise.then(note, note);
      await settleFrames(frames);
      while (!isOver) await pass(STEP_MS);
      return promise;
    },
    stop: async () => {
      clearInterval(retries);
      const stopped = daemon.stop();
      await pass(1_000);
      await stopped;
    },
  };
}

/** Timers and clocks stand still until a test moves them; sockets and the event loop are real. */
export function fakeTime(): void {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'clearImmediate'] });
}
