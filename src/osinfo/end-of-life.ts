import { entityFile, type HostOsinfoDatabase } from './host-database.ts';
import { dayToEpochSeconds, type OsinfoTable } from './osinfo-table.ts';

/** An operating system's end of life in seconds since the epoch; `undefined` when no date is known. */
type EndOfLifeLookup = (osId: string) => number | undefined;

export interface OsinfoSources {
  /** The host's copy of osinfo-db, where it has one. */
  readonly host: HostOsinfoDatabase | undefined;
  /** The copy inside this program. */
  readonly shipped: OsinfoTable;
}

/**
 * Looks ids up in the newer of both copies, then in the other: the host's copy is often years old. The administrator's
 * own entries come before both.
 */
export function createEndOfLifeLookup(sources: OsinfoSources): EndOfLifeLookup {
  const tables = inOrder(sources);
  return (osId) => {
    if (isMasked(sources.host, osId)) {
      return undefined;
    }
    const day = tables.find((table) => table.has(osId))?.get(osId);
    return day === undefined || day === null ? undefined : dayToEpochSeconds(day);
  };
}

/** Whether one of the copies, or the administrator, has an entry for this id. */
export function isKnownOsId(osId: string, sources: OsinfoSources): boolean {
  return !isMasked(sources.host, osId) && inOrder(sources).some((table) => table.has(osId));
}

function inOrder({ host, shipped }: OsinfoSources): readonly ReadonlyMap<string, string | null>[] {
  if (host === undefined) {
    return [shipped.eolById];
  }
  return host.version >= shipped.version
    ? [host.overlay, host.eolById, shipped.eolById]
    : [host.overlay, shipped.eolById, host.eolById];
}

function isMasked(host: HostOsinfoDatabase | undefined, osId: string): boolean {
  return host !== undefined && host.masked.size > 0 && host.masked.has(entityFile(osId));
}
