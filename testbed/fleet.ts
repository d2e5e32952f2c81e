import { forEachLimited } from '../src/concurrency.ts';
import { rigDomainNames } from './clean-up.ts';
import { RIG_PREFIX } from './domain-xml.ts';
import { defineGuest, startGuest } from './domains.ts';
import { haltedGuest, silentGuest } from './halted-guest.ts';

interface FleetOptions {
  /** A name is the prefix and a number of four digits. */
  readonly prefix?: string;
  readonly machine?: string;
  /** `silent`: each domain has a connected agent that never answers. Needs a machine type of the `pc` family. */
  readonly agent?: 'silent';
  /** How many domains start at a time. libvirtd works on five calls at a time; more than processors gain nothing. */
  readonly parallel?: number;
  readonly onStarted?: (name: string, started: number) => void;
}

export interface Fleet {
  readonly names: readonly string[];
  /** How many domains this call started. */
  readonly started: number;
  readonly seconds: number;
}

/** Starts halted domains until `count` run. Domains that run already count. */
export async function startFleet(count: number, options: FleetOptions = {}): Promise<Fleet> {
  const begun = performance.now();
  const prefix = options.prefix ?? `${RIG_PREFIX}fleet-`;
  const names = Array.from({ length: count }, (_, index) => `${prefix}${String(index + 1).padStart(4, '0')}`);
  const [running, defined] = await Promise.all([
    rigDomainNames(prefix, '--state-running'),
    rigDomainNames(prefix, '--all'),
  ]);
  const missing = names.filter((name) => !running.includes(name));
  const guest = options.agent === 'silent' ? silentGuest : haltedGuest;
  const changes = options.machine === undefined ? {} : { machine: options.machine };
  let started = 0;
  const failures: unknown[] = [];
  await forEachLimited(missing, options.parallel ?? 3, async (name) => {
    // After a failure no further domain is started, and the starts under way are awaited: the caller may clean up then.
    if (failures.length > 0) return;
    try {
      if (!defined.includes(name)) await defineGuest(guest(name, changes));
      await startGuest(name);
      started += 1;
      options.onStarted?.(name, started);
    } catch (error) {
      failures.push(error);
    }
  });
  if (failures.length > 0) throw failures[0];
  return { names, started, seconds: (performance.now() - begun) / 1000 };
}
