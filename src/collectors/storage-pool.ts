import type { Collector } from '../metrics/collector.ts';
import {
  addBoolean,
  addSample,
  gauge,
  newFamily,
  sanitizeLabel,
  stateSet,
} from '../metrics/metric-family.ts';

/** virStoragePoolState, by its number. */
const STATES = ['inactive', 'building', 'running', 'degraded', 'inaccessible'] as const;

const AS_OF = "in bytes, as of libvirt's last refresh of the pool";

const STATE = stateSet(
  'libvirt_storage_pool_state',
  'State of the storage pool: 1 for the state that the pool is in, 0 for the others.',
  ['pool', 'state'],
  { values: { state: STATES } },
);
const CAPACITY = gauge('libvirt_storage_pool_capacity_bytes', `Size of the storage pool, ${AS_OF}.`, [
  'pool',
]);
const ALLOCATION = gauge(
  'libvirt_storage_pool_allocation_bytes',
  `Used space of the storage pool, ${AS_OF}.`,
  ['pool'],
);
const AVAILABLE = gauge('libvirt_storage_pool_available_bytes', `Free space of the storage pool, ${AS_OF}.`, [
  'pool',
]);

export const storagePoolCollector: Collector = {
  name: 'storage-pool',
  help: "state and sizes of storage pools as of libvirt's last refresh; the exporter never refreshes a pool",
  enabledByDefault: true,
  measures: ['pools'],
  families: [STATE, CAPACITY, ALLOCATION, AVAILABLE],
  collect: ({ pools = [] }) => {
    const states = newFamily(STATE);
    const capacity = newFamily(CAPACITY);
    const allocation = newFamily(ALLOCATION);
    const available = newFamily(AVAILABLE);
    for (const pool of pools) {
      const labels = { pool: sanitizeLabel(pool.name) };
      for (const [number, state] of STATES.entries()) {
        addBoolean(states, { ...labels, state }, pool.state === number);
      }
      // libvirt reports 0 for all sizes of an inactive pool.
      if (pool.state === STATES.indexOf('inactive')) continue;
      addSample(capacity, labels, Number(pool.capacity));
      addSample(allocation, labels, Number(pool.allocation));
      addSample(available, labels, Number(pool.available));
    }
    return [states, capacity, allocation, available];
  },
};
