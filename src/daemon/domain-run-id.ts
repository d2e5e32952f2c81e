import type { DomainRef } from '../libvirt/types.ts';

/** Identifies one run of a domain, until libvirt's daemon is restarted: a new daemon may give the id to another run. */
export function domainRunId({ uuid, id }: Pick<DomainRef, 'uuid' | 'id'>): string {
  return `${uuid} ${id}`;
}
