/**
 * What each alert advises and what it warns of. Two alerts of one domain contradict each other where one advises what the
 * other warns of: whoever follows the first does harm.
 */

export const ACTIONS = {
  /** A full stop and start of the domain, or an end of it. */
  stop: {
    advised: /full\s+stop and start|virsh (?:shutdown|destroy|reset)/,
    warned: /do not (?:stop|destroy)/i,
  },
  moreMemory: {
    advised: /virsh setmem \{\{ \$labels\.domain \}\}|`virsh setmem [^`]*--live/,
    warned: /more memory for the guest makes it worse/,
  },
  restartAgent: { advised: /systemctl status qemu-guest-agent/, warned: /agent needs no restart/ },
  editDeclaration: { advised: /set the id of libosinfo:os/, warned: /(?!)/ },
} as const;

export type Action = keyof typeof ACTIONS;

export interface Remedy {
  readonly advises?: readonly Action[];
  readonly warnsOf?: readonly Action[];
  /**
   * Advises these only where no alert warns of them: the text depends on `domain:libvirt_domain_stop_unsafe:bool`, or has that
   * as a condition.
   */
  readonly advisesIfSafe?: readonly Action[];
}

/** Every alert on a domain. */
export const REMEDIES: Readonly<Record<string, Remedy>> = {
  LibvirtDomainUnreadable: {},
  LibvirtDomainWillNotStart: { warnsOf: ['stop'] },
  LibvirtMachineTypeUnsupported: { advisesIfSafe: ['stop'], warnsOf: ['stop'] },
  LibvirtMachineTypeDeprecated: { advises: ['stop'] },
  LibvirtMachineTypeOutdated: { advises: ['stop'] },
  LibvirtQemuOutdated: { advises: ['stop'] },
  LibvirtConfigPending: { advises: ['stop'] },
  LibvirtOsDrift: { advises: ['editDeclaration'] },
  LibvirtGuestOsEndOfLife: {},
  LibvirtGuestFrozen: { warnsOf: ['restartAgent'] },
  LibvirtDomainStorageHung: { warnsOf: ['stop'] },
  LibvirtDomainSwappedOut: { warnsOf: ['moreMemory'] },
  LibvirtGuestMemorySqueezed: { advises: ['moreMemory'] },
  LibvirtGuestSwapThrashing: { advises: ['moreMemory'], advisesIfSafe: ['stop'] },
  LibvirtDomainDiskThrottled: {},
  LibvirtDomainBlockJobSlow: {},
  LibvirtDomainCpuThrottled: {},
  LibvirtDomainCpuStarved: {},
  LibvirtGuestStorageSlow: {},
  LibvirtGuestIowaitHigh: { advises: ['moreMemory'] },
  LibvirtGuestSlow: {},
  LibvirtDomainPausedOnError: { warnsOf: ['stop'] },
  LibvirtDomainDiskError: { warnsOf: ['stop'] },
  LibvirtSnapshotOld: {},
  LibvirtKubernetesNodeSwapEnabled: {},
  LibvirtGuestAgentDown: { advises: ['restartAgent'] },
  LibvirtBalloonStatsStale: {},
  LibvirtDomainPacketsDropped: {},
  LibvirtGuestFilesystemAlmostFull: {},
};

/** Pairs of which the first warns of what the second advises. */
export function contradictions(): [warns: string, advises: string][] {
  const names = Object.keys(REMEDIES);
  return names.flatMap((warns) =>
    names
      .filter((advises) => advises !== warns)
      .filter((advises) =>
        REMEDIES[warns]?.warnsOf?.some((action) => REMEDIES[advises]?.advises?.includes(action)),
      )
      .map((advises): [string, string] => [warns, advises]),
  );
}
