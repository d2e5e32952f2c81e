import type { DomainConfig } from '../inventory/domain-config.ts';

/** Types of a disk whose source is a path on the host. */
const PATH_TYPES: ReadonlySet<string> = new Set(['file', 'block', 'dir']);
const FIRMWARE_PATHS = ['loader', 'nvram', 'nvram/@template'] as const;

/**
 * The paths on the host that differ between the running and the persistent configuration, as pairs. Two different paths can be
 * one file.
 */
export function differingPaths(live: DomainConfig, persistent: DomainConfig): [string, string][] {
  const pairs: [string, string][] = [];
  const add = (a: string | undefined, b: string | undefined): void => {
    if (a?.startsWith('/') && b?.startsWith('/') && a !== b) pairs.push([a, b]);
  };
  add(live.emulator, persistent.emulator);
  const sources = new Map(live.disks.map(({ target, type, source }) => [target, { type, source }]));
  for (const { target, type, source } of persistent.disks) {
    const running = sources.get(target);
    if (running?.type === type && PATH_TYPES.has(type)) add(running.source, source);
  }
  for (const path of FIRMWARE_PATHS)
    add(live.hardware.firmware.get(path), persistent.hardware.firmware.get(path));
  return pairs;
}
