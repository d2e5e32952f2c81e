import type { Collector } from '../scrape/collector.ts';
import { configPendingCollector } from './config-pending.ts';
import { domainCollector } from './domain.ts';
import { eventsCollector } from './events.ts';
import { hypervisorCollector } from './hypervisor.ts';
import { machineTypeCollector } from './machine-type.ts';
import { osCollector } from './os.ts';
import { qemuCollector } from './qemu.ts';

/** Every collector there is, in the order their metrics are served. */
export const COLLECTORS: readonly Collector[] = [
  hypervisorCollector,
  domainCollector,
  eventsCollector,
  machineTypeCollector,
  qemuCollector,
  configPendingCollector,
  osCollector,
];
