import { forEachLimited, settledWithin } from '../concurrency.ts';
import type { DomainJob } from '../daemon/stats-client.ts';
import type { DomainRef } from '../libvirt/types.ts';
import { domainRunId } from './domain-run-id.ts';
import { CALLS_AT_A_TIME } from './pending-calls.ts';
import { type PerDomainAnswer, type PerDomainCalls, Tally } from './per-domain-calls.ts';

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
  /** By {@link domainRunId}; a domain of which nothing is known is missing. */
  readonly jobs: ReadonlyMap<string, DomainJob | 'none'>;
  /** Why the first call failed, when all failed and nothing is known of any domain. */
  readonly failure: unknown;
}

/** Reads the jobs of running domains: those under way each time, the rest for new ones every ten seconds. */
export class JobReader {
  readonly #calls: PerDomainCalls;
  readonly #known = new Map<string, Known>();

  constructor(calls: PerDomainCalls) {
    this.#calls = calls;
  }

  async read(running: readonly DomainRef[], deadline: number): Promise<JobReading> {
    this.#forgetAllBut(running);
    const now = performance.now();
    const isFresh = ({ job, lookedAt }: Known): boolean => job === 'none' && now - lookedAt < LOOK_AGAIN_MS;
    const jobs = new Map<string, DomainJob | 'none'>();
    const toAsk: { domain: DomainRef; before: Known | undefined }[] = [];
    for (const domain of running) {
      const before = this.#known.get(domainRunId(domain));
      if (before !== undefined && isFresh(before)) jobs.set(domainRunId(domain), before.job);
      else toAsk.push({ domain, before });
    }
    const tally = new Tally();
    const asking = forEachLimited(toAsk, CALLS_AT_A_TIME, async ({ domain, before }) => {
      const key = domainRunId(domain);
      const answer = await this.#calls.ask(domain, deadline, (client) => client.job(domain));
      tally.add(answer);
      if (answer === undefined) return;
      const known = this.#learn(key, answer, before);
      if (known !== undefined) jobs.set(key, known.job);
    });
    await settledWithin(asking, Math.max(0, deadline - performance.now()));
    return { jobs: new Map(jobs), failure: jobs.size > 0 ? undefined : tally.failure };
  }

  /** What is known after an answer. Another reading may have learnt of the domain since `before`. */
  #learn(
    key: string,
    answer: PerDomainAnswer<DomainJob | 'none' | undefined>,
    before: Known | undefined,
  ): Known | undefined {
    const isAnswer = typeof answer === 'object' && 'value' in answer;
    let known: Known | undefined;
    if (isAnswer && answer.value !== undefined) {
      known = { job: answer.value, lookedAt: performance.now() };
    } else if (isAnswer) {
      // The monitor is occupied, as a scrape's own calls can make it: for one round only, a hung QEMU occupies it too.
      const latest = this.#known.get(key);
      if (latest !== before) return latest;
      if (latest !== undefined && latest.isCarriedOver !== true) known = { ...latest, isCarriedOver: true };
    }
    if (known === undefined) this.#known.delete(key);
    else this.#known.set(key, known);
    return known;
  }

  #forgetAllBut(running: readonly DomainRef[]): void {
    const keys = new Set(running.map(domainRunId));
    for (const key of this.#known.keys()) if (!keys.has(key)) this.#known.delete(key);
  }
}
