import type { Collector } from '../metrics/collector.ts';
import { addSample, gauge, newFamily, sanitizeLabel } from '../metrics/metric-family.ts';
import { AGENT_NEEDS } from './guest-needs.ts';

const LABELS = ['domain', 'mountpoint', 'fstype'];
const DETAILS = { needs: 'Agent 3.0 (sizes in `guest-get-fsinfo`)' };

const SIZE = gauge(
  'libvirt_domain_guest_filesystem_size_bytes',
  'Size of the filesystem inside the guest, in bytes; cached from the last guest probe.',
  LABELS,
  DETAILS,
);
const USED = gauge(
  'libvirt_domain_guest_filesystem_used_bytes',
  'Used space of the filesystem inside the guest, in bytes; cached from the last guest probe.',
  LABELS,
  DETAILS,
);

export const guestFilesystemCollector: Collector = {
  name: 'guest-filesystem',
  help: "each guest's filesystems (guest-get-fsinfo can hang the agent on a dead network mount)",
  enabledByDefault: false,
  needs: AGENT_NEEDS,
  families: [SIZE, USED],
  collect: ({ domains }) => {
    const size = newFamily(SIZE);
    const used = newFamily(USED);
    for (const { name, guest } of domains) {
      for (const { mountpoint, fstype, totalBytes, usedBytes } of guest?.filesystems ?? []) {
        const labels = { domain: name, mountpoint: sanitizeLabel(mountpoint), fstype: sanitizeLabel(fstype) };
        addSample(size, labels, totalBytes);
        addSample(used, labels, usedBytes);
      }
    }
    return [size, used];
  },
};
