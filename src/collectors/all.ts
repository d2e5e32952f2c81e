import type { Collector } from '../metrics/collector.ts';
import { balloonCollector } from './balloon.ts';
import { blockCollector } from './block.ts';
import { configPendingCollector } from './config-pending.ts';
import { cpuCollector } from './cpu.ts';
import { domainCollector } from './domain.ts';
import { eventsCollector } from './events.ts';
import { guestAgentCollector } from './guest-agent.ts';
import { guestCpuCollector } from './guest-cpu.ts';
import { guestFilesystemCollector } from './guest-filesystem.ts';
import { guestLoadCollector } from './guest-load.ts';
import { guestMemoryCollector } from './guest-memory.ts';
import { guestPressureCollector } from './guest-pressure.ts';
import { hypervisorCollector } from './hypervisor.ts';
import { interfaceCollector } from './interface.ts';
import { jobCollector } from './job.ts';
import { machineTypeCollector } from './machine-type.ts';
import { openstackCollector } from './openstack.ts';
import { osCollector } from './os.ts';
import { qemuCollector } from './qemu.ts';
import { snapshotsCollector } from './snapshots.ts';
import { storagePoolCollector } from './storage-pool.ts';
import { vcpuCollector } from './vcpu.ts';

/** Every collector, in the order in which their metrics are served and documented. */
export const COLLECTORS: readonly Collector[] = [
  hypervisorCollector,
  domainCollector,
  eventsCollector,
  machineTypeCollector,
  qemuCollector,
  configPendingCollector,
  osCollector,
  openstackCollector,
  cpuCollector,
  vcpuCollector,
  balloonCollector,
  blockCollector,
  interfaceCollector,
  jobCollector,
  snapshotsCollector,
  storagePoolCollector,
  guestAgentCollector,
  guestCpuCollector,
  guestMemoryCollector,
  guestPressureCollector,
  guestLoadCollector,
  guestFilesystemCollector,
];
