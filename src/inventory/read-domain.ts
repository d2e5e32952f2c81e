import type { LibvirtClient } from '../daemon/event-client.ts';
import { isNoDomain } from '../libvirt/errors.ts';
import type { DomainRef } from '../libvirt/types.ts';
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

/** Code of the problem of a domain that was not read, as its QEMU keeps another call waiting. */
export const DOMAIN_BUSY = 'ERR_DOMAIN_BUSY';
/** A monitor that keeps a call waiting for this long hangs; others take some milliseconds. */
const HANGS_MS = 1_000;

/**
 * Reads a domain's configuration: one call, or two when it runs and will outlive this run. Where its QEMU keeps some call
 * waiting it is read only with `patience`: libvirt 11.0 to 11.4 then takes 30 s for each of the two (measured on 11.3).
 * Never throws.
 */
export async function readDomain(
  client: LibvirtClient,
  domain: DomainRef,
  isTransient: boolean,
  patience: boolean,
): Promise<DomainReading> {
  const isRunning = domain.id >= 0;
  try {
    if (isRunning && !patience && (await hangs(client, domain))) {
      const message = 'its QEMU does not answer; it is tried again when nobody waits for it';
      return { outcome: 'failed', problem: { code: DOMAIN_BUSY, message } };
    }
    const current = parseDomainXml(await client.currentXml(domain));
    const outlivesRun = isRunning && !isTransient;
    const persistent = outlivesRun ? parseDomainXml(await client.persistentXml(domain)) : undefined;
    return { outcome: 'read', current, persistent };
  } catch (error) {
    if (isNoDomain(error)) return { outcome: 'gone' };
    return { outcome: 'failed', problem: describe(error) };
  }
}

async function hangs(client: LibvirtClient, domain: DomainRef): Promise<boolean> {
  try {
    return (await client.occupiedMs(domain)) > HANGS_MS;
  } catch {
    return false; // it stopped meanwhile, or reading it will tell
  }
}

function describe(error: unknown): RecordProblem {
  if (!(error instanceof Error)) return { code: 'ERR_UNKNOWN', message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'ERR_UNKNOWN';
  return { code, message: error.message };
}
