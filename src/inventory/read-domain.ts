import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import { isNoDomain, LibvirtTransportError } from '../libvirt/errors.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { DomainConfig } from './domain-config.ts';
import type { RecordProblem, SnapshotSummary } from './domain-record.ts';
import type { ParsedDocuments } from './parsed-documents.ts';
import { readSnapshots } from './read-snapshots.ts';

export type DomainReadResult =
  | {
      readonly status: 'read';
      readonly current: DomainConfig;
      readonly persistent: DomainConfig | undefined;
      readonly snapshots: SnapshotSummary | undefined;
    }
  /** The domain was undefined or migrated since it was listed. */
  | { readonly status: 'gone' }
  | { readonly status: 'failed'; readonly problem: RecordProblem };

/**
 * Reads a domain's configuration, with one call, or with two for a running persistent domain, and its snapshots. Has no timeout.
 * @throws LibvirtTransportError when a call could not be sent or its connection ended; neither is an error of the domain
 */
export async function readDomain(
  client: ConfigurationClient,
  domain: DomainRef,
  isTransient: boolean,
  documents: ParsedDocuments,
): Promise<DomainReadResult> {
  try {
    const current = documents.parse(domain.uuid, 'current', await client.currentXml(domain));
    const outlivesRun = domain.id >= 0 && !isTransient;
    const persistent = outlivesRun
      ? documents.parse(domain.uuid, 'persistent', await client.persistentXml(domain))
      : undefined;
    return { status: 'read', current, persistent, snapshots: await readSnapshots(client, domain) };
  } catch (error) {
    if (error instanceof LibvirtTransportError) throw error;
    if (isNoDomain(error)) return { status: 'gone' };
    return { status: 'failed', problem: describe(error) };
  }
}

function describe(error: unknown): RecordProblem {
  if (!(error instanceof Error)) return { code: 'ERR_UNKNOWN', message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'ERR_UNKNOWN';
  return { code, message: error.message };
}
