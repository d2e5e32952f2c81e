import type { ConfigurationClient } from '../daemon/configuration-client.ts';
import { LibvirtServerError } from '../libvirt/errors.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { SnapshotSummary } from './domain-record.ts';
import { child, parseXml, XmlError } from './xml.ts';

/** A child was made after its parent, so the oldest snapshot has no parent. More than one without a parent is rare. */
const MAX_ROOTS = 16;
const NONE: SnapshotSummary = { count: 0, oldestSeconds: undefined };

/**
 * Reads how many snapshots a domain has and when the oldest was made: one call for a domain without snapshots, a few for the
 * others. Undefined where libvirt has no answer.
 * @throws LibvirtTransportError when a call could not be sent or its connection ended
 */
export async function readSnapshots(
  client: Pick<ConfigurationClient, 'snapshotCount' | 'rootSnapshots' | 'snapshotXml'>,
  domain: DomainRef,
): Promise<SnapshotSummary | undefined> {
  try {
    const count = await client.snapshotCount(domain);
    if (count <= 0) return NONE;
    const created: number[] = [];
    for (const root of (await client.rootSnapshots(domain)).slice(0, MAX_ROOTS))
      created.push(...creationTime(await client.snapshotXml(root)));
    return { count, oldestSeconds: created.length === 0 ? undefined : Math.min(...created) };
  } catch (error) {
    if (error instanceof LibvirtServerError || error instanceof XmlError) return undefined;
    throw error;
  }
}

/** `<creationTime>` in Unix seconds; empty when there is none. */
function creationTime(xml: string): number[] {
  const text = child(parseXml(xml), 'creationTime')?.text ?? '';
  return /^\d{1,12}$/.test(text) && Number(text) > 0 ? [Number(text)] : [];
}
