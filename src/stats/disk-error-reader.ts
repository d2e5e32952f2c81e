import type { StatisticsClient, StatsTerms } from '../daemon/statistics-client.ts';
import type { DomainRef } from '../libvirt/types.ts';

/**
 * Reads the disks that have stopped a domain, by target name: virDomainDiskErrorCode. Never throws: undefined when libvirt
 * does not return them in time, or returns an error, for a domain that has stopped since for example.
 */
export async function readDiskErrors(
  client: StatisticsClient,
  domain: DomainRef,
  terms: StatsTerms,
): Promise<ReadonlyMap<string, number> | undefined> {
  try {
    const result = await client.diskErrors(domain, terms);
    return result.status === 'answered' ? result.value : undefined;
  } catch {
    return undefined;
  }
}
