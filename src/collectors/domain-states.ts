/** Names of virDomainState, indexed by its numbers (libvirt: include/libvirt/libvirt-domain.h). */
export const DOMAIN_STATES = [
  'nostate',
  'running',
  'blocked',
  'paused',
  'shutdown',
  'shutoff',
  'crashed',
  'pmsuspended',
] as const;
