import type { Collector } from '../metrics/collector.ts';
import { boolToNumber, gauge, sanitizeLabel } from '../metrics/metric-family.ts';

/** virStoragePoolState, by its number. */
const STATES = ['inactive', 'building', 'running', 'degraded', 'inaccessible'] as const;

export const storagePoolCollector: Collector = {
  name: 'storage-pool',
  help: 'state and sizes of storage pools as libvirt last saw them; none is ever refreshed',
  enabledByDefault: true,
  measures: ['pools'],
  collect: ({ pools = [] }) => {
    const state = gauge('libvirt_storage_pool_state', 'State of the storage pool: 1 for the one it is in.');
    const asOf = 'as of its last refresh.';
    const capacity = gauge('libvirt_storage_pool_capacity_bytes', `Size of the storage pool, ${asOf}`);
    const allocation = gauge('libvirt_storage_pool_allocation_bytes', `Bytes of it in use, ${asOf}`);
    const available = gauge('libvirt_storage_pool_available_bytes', `Bytes of it that are free, ${asOf}`);
    for (const pool of pools) {
      const labels = { pool: sanitizeLabel(pool.name) };
      for (const [number, name] of STATES.entries()) {
        state.samples.push({
          labels: { ...labels, state: name },
          value: boolToNumber(pool.state === number),
        });
      }
      // An inactive pool has no sizes: libvirt says 0.
      if (pool.state === STATES.indexOf('inactive')) continue;
      capacity.samples.push({ labels, value: Number(pool.capacity) });
      allocation.samples.push({ labels, value: Number(pool.allocation) });
      available.samples.push({ labels, value: Number(pool.available) });
    }
    return [state, capacity, allocation, available];
  },
};
