import type { DeviceConfig, Settings } from '../inventory/domain-config.ts';

export interface SettingsRule {
  /** Whether an absent setting means this value. */
  readonly isDefault?: (path: string, value: string) => boolean;
  /** Whether two values mean the same; the strings differ. */
  readonly isSame?: (path: string, live: string, persistent: string) => boolean;
  /**
   * Whether libvirt can add this setting to the running configuration by itself. It then counts as removed from the
   * persistent configuration only if that one had it when the run began.
   */
  readonly isFilledIn?: (path: string) => boolean;
}

/**
 * Whether the persistent settings differ from those that run. `atStart` are the persistent ones at the beginning of the run;
 * undefined when these are unknown.
 */
export function settingsDiffer(
  live: Settings,
  persistent: Settings,
  atStart: Settings | undefined,
  { isDefault = never, isSame = never, isFilledIn = always }: SettingsRule = {},
): boolean {
  for (const [path, wanted] of persistent) {
    const running = live.get(path);
    if (running === wanted) continue;
    if (running === undefined ? isDefault(path, wanted) : isSame(path, running, wanted)) continue;
    return true;
  }
  for (const [path, running] of live) {
    if (persistent.has(path) || isDefault(path, running)) continue;
    if (!isFilledIn(path) || atStart?.has(path) === true) return true;
  }
  return false;
}

/** Whether devices were added, removed or changed. Devices are matched by their keys. */
export function devicesDiffer(
  live: readonly DeviceConfig[],
  persistent: readonly DeviceConfig[],
  atStart: readonly DeviceConfig[] | undefined,
  differ: (live: Settings, persistent: Settings, atStart: Settings | undefined) => boolean,
): boolean {
  if (live.length !== persistent.length) return true;
  const running = new Map(live.map(({ key, settings }) => [key, settings]));
  const first = new Map(atStart?.map(({ key, settings }) => [key, settings]));
  return persistent.some(({ key, settings }) => {
    const now = running.get(key);
    return now === undefined || differ(now, settings, first.get(key));
  });
}

const never = (): boolean => false;
const always = (): boolean => true;
