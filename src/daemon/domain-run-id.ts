import type { DomainRef } from '../libvirt/types.ts';

/** Identifies one run of a domain, until libvirt's daemon is restarted: a new daemon may give the id to another run. */
export function domainRunId({ uuid, id }: Pick<DomainRef, 'uuid' | 'id'>): string {
  return `${uuid} ${id}`;
}

/** The runs of these domains, to be compared with what is known by run, see {@link keepOnlyRuns}. */
export function domainRunIds(domains: Iterable<Pick<DomainRef, 'uuid' | 'id'>>): ReadonlySet<string> {
  const runs = new Set<string>();
  for (const domain of domains) runs.add(domainRunId(domain));
  return runs;
}

/** Removes all runs but these from `known`, whose keys are {@link domainRunId}s. */
export function keepOnlyRuns(known: Map<string, unknown> | Set<string>, runs: ReadonlySet<string>): void {
  for (const run of known.keys()) if (!runs.has(run)) known.delete(run);
}
