import { forEachLimited, settledWithin } from '../concurrency.ts';
import type { DomainJob } from '../libvirt/stats-client.ts';
import type { DomainRef } from '../libvirt/wire-types.ts';
import { CALLS_AT_A_TIME } from './pending-calls.ts';
import { type PerDomainCalls, Tally } from './per-domain-calls.ts';
import { runKey } from './run-key.ts';

/**
 * libvirt announces the end of a job and not its start. Asking every domain in every scrape would be half of all calls,
 * for something that is seldom there and takes seconds to hours.
 */
const LOOK_AGAIN_MS = 10_000;

interface Known {
  readonly job: DomainJob | 'none';
  /** performance.now() milliseconds. */
  readonly lookedAt: number;
  /** What was known the last time stands in for what cannot be asked now. */
  readonly isCarriedOver?: boolean;
}

export interface JobReading {
  /** By {@link runKey}; a domain of which nothing is known is missing. */
  readonly jobs: ReadonlyMap<string, DomainJob | 'none'>;
  /** Why the first call failed, when all failed and nothing is known of any domain. */
  readonly failure: unknown;
}

/** Reads the jobs of running domains: those under way each time, the rest for new ones every ten seconds. */
export class JobReader {
  readonly #calls: PerDomainCalls;
  #known = new Map<string, Known>();

  constructor(calls: PerDomainCalls) {
    this.#calls = calls;
  }

  async read(running: readonly DomainRef[], deadline: number): Promise<JobReading> {
    const before = this.#known;
    this.#known = new Map();
    const now = performance.now();
    const isFresh = ({ job, lookedAt }: Known): boolean => job === 'none' && now - lookedAt < LOOK_AGAIN_MS;
    const toAsk: DomainRef[] = [];
    for (const domain of running) {
      const known = before.get(runKey(domain));
      if (known !== undefined && isFresh(known)) this.#known.set(runKey(domain), known);
      else toAsk.push(domain);
    }
    const reading = this.#known;
    const tally = new Tally();
    const asking = forEachLimited(toAsk, CALLS_AT_A_TIME, async (domain) => {
      const key = runKey(domain);
      const answer = await this.#calls.ask(domain, deadline, (client) => client.job(domain));
      tally.add(answer);
      if (typeof answer !== 'object' || !('value' in answer)) return;
      const known = before.get(key);
      if (answer.value !== undefined) {
        reading.set(key, { job: answer.value, lookedAt: performance.now() });
      } else if (known !== undefined && known.isCarriedOver !== true) {
        // The monitor is occupied, as a scrape's own calls can make it: for one round only, a hung QEMU occupies it too.
        reading.set(key, { ...known, isCarriedOver: true });
      }
    });
    await settledWithin(asking, Math.max(0, deadline - performance.now()));
    return {
      jobs: new Map([...reading].map(([key, { job }]) => [key, job])),
      failure: reading.size > 0 ? undefined : tally.failure,
    };
  }
}
