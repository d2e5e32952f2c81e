/** What to do about an alert, in few enough words for a line of the findings; the runbooks have the whole answer. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['LibvirtGuestSwapThrashing', 'give it memory, or `swapoff -a` in it'],
  ['LibvirtKubernetesNodeSwapEnabled', '`swapoff -a`, and none in /etc/fstab'],
  ['LibvirtGuestIowaitHigh', 'look in the guest: `vmstat 5`'],
  ['LibvirtGuestStorageSlow', "look at the host's storage"],
  ['LibvirtDomainDiskThrottled', 'raise the limit: `virsh blkdeviotune`'],
  ['LibvirtDomainStorageHung', "repair the host's storage"],
  ['LibvirtDomainCpuStarved', 'free CPUs of the host'],
  ['LibvirtDomainCpuThrottled', 'raise the quota: `virsh schedinfo`'],
  ['LibvirtDomainSwappedOut', 'free memory of the host'],
  ['LibvirtGuestMemorySqueezed', 'give it back: `virsh setmem`'],
  ['LibvirtDomainBlockJobSlow', 'slow it: `virsh blockjob --bandwidth`'],
  ['LibvirtGuestFrozen', '`virsh domfsthaw`'],
  ['LibvirtDomainWillNotStart', 'do not stop it: see docs/runbooks.md'],
  ['LibvirtDomainPausedOnError', 'repair the disk, `virsh resume`'],
  ['LibvirtDomainDiskError', 'repair or enlarge the disk'],
  ['LibvirtMachineTypeUnsupported', '`virsh edit` before any stop'],
  ['LibvirtMachineTypeDeprecated', '`virsh edit`: choose a newer type'],
  ['LibvirtMachineTypeOutdated', '`virsh edit`: choose a newer type'],
  ['LibvirtQemuOutdated', 'shut it down and start it'],
  ['LibvirtConfigPending', 'shut it down and start it'],
  ['LibvirtOsDrift', '`virsh edit`: declare what runs'],
  ['LibvirtGuestOsEndOfLife', 'upgrade the guest'],
  ['LibvirtGuestAgentDown', 'start qemu-guest-agent in the guest'],
]);

export const KNOWN_ALERTS: readonly string[] = [...REMEDIES.keys()];

export function remedyOf(alertname: string): string {
  return REMEDIES.get(alertname) ?? 'see docs/runbooks.md';
}
