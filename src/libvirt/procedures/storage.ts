import { readPool, type StoragePoolRef, writePool } from '../types.ts';
import type { Integer64 } from '../xdr.ts';
import { remote } from './procedure.ts';

/** Procedures for storage pools. They return the values of a pool's last refresh; a refresh itself can take long. */

/** REMOTE_STORAGE_POOL_LIST_MAX. */
const MAX_POOLS = 4096;

export const connectListAllStoragePools = remote<void, StoragePoolRef[]>(
  'CONNECT_LIST_ALL_STORAGE_POOLS',
  281,
  'high',
  (out) => {
    const needResults = 1;
    const all = 0;
    out.int(needResults).uint(all);
  },
  (reply) => {
    const pools = reply.array(MAX_POOLS, () => readPool(reply));
    reply.uint(); // number of pools
    return pools;
  },
);

/** virStoragePoolInfo: `state` is a virStoragePoolState, sizes are bytes. */
export interface StoragePoolInfo {
  readonly state: number;
  readonly capacity: Integer64;
  readonly allocation: Integer64;
  readonly available: Integer64;
}

export const storagePoolGetInfo = remote<StoragePoolRef, StoragePoolInfo>(
  'STORAGE_POOL_GET_INFO',
  87,
  'high',
  writePool,
  (reply) => ({
    state: reply.int(),
    capacity: reply.uhyper(),
    allocation: reply.uhyper(),
    available: reply.uhyper(),
  }),
);
