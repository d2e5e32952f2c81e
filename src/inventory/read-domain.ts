import type { LibvirtClient } from '../libvirt/client.ts';
import { isNoDomain } from '../libvirt/errors.ts';
import type { DomainRef } from '../libvirt/wire-types.ts';
import type { DomainConfig } from './domain-config.ts';
import type { RecordProblem } from './domain-record.ts';
import { parseDomainXml } from './domain-xml.ts';

export type DomainReading =
  | {
      readonly outcome: 'read';
      readonly current: DomainConfig;
      readonly persistent: DomainConfig | undefined;
    }
  /** Undefined or migrated away since it was listed. */
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'failed'; readonly problem: RecordProblem };

/** Reads a domain's configuration: one call, or two when it runs and will outlive this run. Never throws. */
export async function readDomain(
  client: LibvirtClient,
  domain: DomainRef,
  isTransient: boolean,
): Promise<DomainReading> {
  try {
    const current = parseDomainXml(await client.currentXml(domain));
    const outlivesRun = domain.id >= 0 && !isTransient;
    const persistent = outlivesRun ? parseDomainXml(await client.persistentXml(domain)) : undefined;
    return { outcome: 'read', current, persistent };
  } catch (error) {
    if (isNoDomain(error)) return { outcome: 'gone' };
    return { outcome: 'failed', problem: describe(error) };
  }
}

function describe(error: unknown): RecordProblem {
  if (!(error instanceof Error)) return { code: 'ERR_UNKNOWN', message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'ERR_UNKNOWN';
  return { code, message: error.message };
}
