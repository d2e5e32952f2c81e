import type { DomainRef } from '../libvirt/types.ts';

/** Names one run of a domain, as long as libvirt's daemon lives: a restarted daemon may number runs anew. */
export function domainRunId({ uuid, id }: Pick<DomainRef, 'uuid' | 'id'>): string {
  return `${uuid} ${id}`;
}
