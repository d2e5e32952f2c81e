import type { Collector } from '../metrics/collector.ts';
import { balloonCollector } from './balloon.ts';
import { blockCollector } from './block.ts';
import { configAdviceCollector } from './config-advice.ts';
import { configPendingCollector } from './config-pending.ts';
import { cpuCollector } from './cpu.ts';
import { diskErrorsCollector } from './disk-errors.ts';
import { domainCollector } from './domain.ts';
import { eventsCollector } from './events.ts';
import { guestAgentCollector } from './guest-agent.ts';
import { guestCpuCollector } from './guest-cpu.ts';
import { guestFilesystemCollector } from './guest-filesystem.ts';
import { guestLoadCollector } from './guest-load.ts';
import { guestMemoryCollector } from './guest-memory.ts';
import { guestPressureCollector } from './guest-pressure.ts';
import { hostCollector } from './host.ts';
import { hypervisorCollector } from './hypervisor.ts';
import { interfaceCollector } from './interface.ts';
import { jobCollector } from './job.ts';
import { machineTypeCollector } from './machine-type.ts';
import { nextStartCollector } from './next-start.ts';
import { openstackCollector } from './openstack.ts';
import { osCollector } from './os.ts';
import { pressureCollector } from './pressure.ts';
import { processCollector } from './process.ts';
import { qemuCollector } from './qemu.ts';
import { snapshotsCollector } from './snapshots.ts';
import { storagePoolCollector } from './storage-pool.ts';
import { throttleCollector } from './throttle.ts';
import { vcpuCollector } from './vcpu.ts';

/** Every collector, in the order in which their metrics are served and documented. */
export const COLLECTORS: readonly Collector[] = [
  hypervisorCollector,
  hostCollector,
  domainCollector,
  eventsCollector,
  machineTypeCollector,
  nextStartCollector,
  qemuCollector,
  configPendingCollector,
  configAdviceCollector,
  osCollector,
  openstackCollector,
  cpuCollector,
  vcpuCollector,
  throttleCollector,
  pressureCollector,
  processCollector,
  balloonCollector,
  blockCollector,
  diskErrorsCollector,
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
