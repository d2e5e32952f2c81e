import type { CpuConfig, CpuFeatures, DomainConfig } from '../inventory/domain-config.ts';

/** `atStart`: the persistent configuration at the beginning of the run; undefined when it is unknown. */
export function cpuDiffers(
  live: DomainConfig,
  persistent: DomainConfig,
  atStart: DomainConfig | undefined,
): boolean {
  return (
    bothSetAndDiffer(live.cpu.maximum, persistent.cpu.maximum) ||
    bothSetAndDiffer(live.cpu.current, persistent.cpu.current) ||
    topologyDiffers(live.cpu, persistent.cpu) ||
    modelDiffers(live, persistent, atStart) ||
    cpuFeaturesDiffer(live, persistent, atStart)
  );
}

/** libvirt fills in a setting that is absent on one side. */
function bothSetAndDiffer<T>(live: T | undefined, persistent: T | undefined): boolean {
  return live !== undefined && persistent !== undefined && live !== persistent;
}

/** libvirt never fills in a topology, so a topology on one side only is a change. */
function topologyDiffers(live: CpuConfig, persistent: CpuConfig): boolean {
  const line = ({ topology }: CpuConfig) =>
    topology &&
    [topology.sockets, topology.dies, topology.clusters, topology.cores, topology.threads].join(':');
  return line(live) !== line(persistent);
}

function modelDiffers(
  live: DomainConfig,
  persistent: DomainConfig,
  atStart: DomainConfig | undefined,
): boolean {
  const running = effectiveMode(live.cpu);
  const wanted = effectiveMode(persistent.cpu);
  if (wanted === undefined) return isNotDefaultCpu(live, running);
  if (wanted === 'host-model') return isNotHostModel(live, running, atStart);
  if (running === undefined || running !== wanted) return running !== undefined;
  // With match minimum libvirt adds the host's features, and the model may become the host's.
  if (wanted !== 'custom' || persistent.cpu.match === 'minimum') return false;
  return bothSetAndDiffer(unversioned(live.cpu.model), unversioned(persistent.cpu.model));
}

/** `<cpu>` without a model (a topology alone, for example) means the hypervisor's default, as no `<cpu>` does. */
function effectiveMode(cpu: CpuConfig): string | undefined {
  return cpu.mode === undefined || cpu.mode === 'custom'
    ? cpu.model === undefined
      ? undefined
      : 'custom'
    : cpu.mode;
}

const X86_DEFAULT_MODELS = /^(?:qemu|kvm)(?:32|64)$/;

/**
 * Without a CPU in the persistent configuration the hypervisor's default should run, which libvirt writes into the live
 * configuration. On x86 the default is one of four models; elsewhere it depends on the machine and is not compared.
 */
function isNotDefaultCpu(live: DomainConfig, running: string | undefined): boolean {
  if (running === undefined || !isX86(live.arch)) return false;
  return running !== 'custom' || !isDefaultModel(live.cpu);
}

function isDefaultModel({ model }: CpuConfig): boolean {
  return X86_DEFAULT_MODELS.test(unversioned(model) ?? '');
}

/**
 * libvirt runs host-model as a custom model that matches the host, with the features in which the host differs and, where
 * libvirt knows it, with the vendor. The default model has no vendor either. Any other model without a vendor can be host-model
 * or the choice of a user: the persistent configuration at the beginning of the run decides, if it is known.
 */
function isNotHostModel(
  live: DomainConfig,
  running: string | undefined,
  atStart: DomainConfig | undefined,
): boolean {
  if (running !== 'custom') return running !== undefined && running !== 'host-model';
  if (!isX86(live.arch) || live.cpu.vendor !== undefined) return false;
  if (isDefaultModel(live.cpu) || live.hardware.cpuFeatures.size === 0) return true;
  return atStart !== undefined && effectiveMode(atStart.cpu) !== 'host-model';
}

function isX86(arch: string): boolean {
  return arch === 'x86_64' || arch === 'i686';
}

/** QEMU's `Skylake-Client` and `Skylake-Client-v1` are one model; the versions after v1 are other models. */
function unversioned(model: string | undefined): string | undefined {
  return model?.replace(/-v1$/, '');
}

const ON: ReadonlySet<string> = new Set(['force', 'require']);
const OFF: ReadonlySet<string> = new Set(['disable', 'forbid']);

/**
 * libvirt copies each feature of the persistent configuration to the running one, and adds those in which QEMU's CPU differs
 * from the model. In detail:
 *
 * | persistent         | live     | changed                                                                      |
 * |--------------------|----------|------------------------------------------------------------------------------|
 * | any but optional   | absent   | yes                                                                          |
 * | disable or forbid  | on       | yes: QEMU adds no feature that is turned off                                 |
 * | require            | off      | yes, but with `check='none'` (and `optional`) QEMU may lack the feature      |
 * | absent             | any      | if the persistent configuration had the feature at the beginning of the run  |
 *
 * What cannot be decided by the two is a change if the policy at the beginning of the run was another one.
 */
function cpuFeaturesDiffer(
  live: DomainConfig,
  persistent: DomainConfig,
  atStart: DomainConfig | undefined,
): boolean {
  const running = live.hardware.cpuFeatures;
  const wanted = persistent.hardware.cpuFeatures;
  const first = atStart?.hardware.cpuFeatures;
  // A CPU that libvirt does not show in the running configuration.
  if (effectiveMode(live.cpu) === undefined) return false;
  for (const [name, policy] of wanted)
    if (policyDiffers(name, policy, running, persistent.cpu, first)) return true;
  if (first === undefined) return false;
  return [...first.keys()].some((name) => !wanted.has(name) && running.has(name));
}

function policyDiffers(
  name: string,
  wanted: string,
  live: CpuFeatures,
  { check }: CpuConfig,
  atStart: CpuFeatures | undefined,
): boolean {
  const running = live.get(name);
  if (running === wanted || NEVER_SHOWN.has(name)) return false;
  // libvirt may leave out an optional feature that the host lacks.
  if (running === undefined) return wanted !== 'optional' || changedSinceStart(name, wanted, atStart);
  if (OFF.has(wanted)) return !OFF.has(running);
  if (ON.has(wanted) && ON.has(running)) return false;
  const canLack = check === undefined || check === 'none' || wanted === 'optional';
  return !canLack || changedSinceStart(name, wanted, atStart);
}

function changedSinceStart(name: string, wanted: string, atStart: CpuFeatures | undefined): boolean {
  return atStart !== undefined && atStart.get(name) !== wanted;
}

/** Features that QEMU does not know and that libvirt drops (virCPUx86 `removed`, and those without a migratable state). */
const NEVER_SHOWN: ReadonlySet<string> = new Set([
  'osxsave',
  'ospke',
  'cmt',
  'mbm_total',
  'mbm_local',
  'pconfig',
]);
