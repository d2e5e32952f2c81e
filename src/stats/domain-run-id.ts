import type { DomainRef } from '../libvirt/types.ts';

/** One run of a domain, as long as libvirt's daemon lives. */
export function domainRunId({ uuid, id }: Pick<DomainRef, 'uuid' | 'id'>): string {
  return `${uuid} ${id}`;
}
