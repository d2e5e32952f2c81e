import { createDeferred } from '../../src/concurrency.ts';
import { type Clock, SYSTEM_CLOCK, sleep } from '../../src/daemon/clock.ts';
import { type DomainRef, readDomain, writeDomain } from '../../src/libvirt/types.ts';
import { XdrReader, XdrWriter } from '../../src/libvirt/xdr.ts';
import { afterHandshake, type CallHandler, type IncomingCall } from './fake-libvirtd.ts';

/** A domain with statistics; what a test changes, the next call sees. */
export interface MeasuredFake extends DomainRef {
  /** Its QEMU does not answer its monitor. */
  hung?: boolean;
  /** Another client or a snapshot works on it: its job lock is held. */
  busy?: boolean;
  /** How long its QEMU takes to answer, in milliseconds; the call holds the job lock meanwhile. */
  monitorMs?: number;
  /** As busy, for this many calls. */
  busyFor?: number;
  /** libvirt does not finish reading its interfaces. */
  interfacesHang?: boolean;
  /** Its one drive is empty. */
  emptyDrive?: boolean;
  /** It does not run any more. */
  gone?: boolean;
  /** libvirt fails each call about it with this error number. */
  fails?: number | undefined;
  /** A job such as a migration runs. */
  job?: boolean;
  /** Disks that have stopped it: virDomainDiskErrorCode by target name. */
  diskErrors?: Readonly<Record<string, number>>;
}

export interface FakeStats {
  /** How long each CONNECT_GET_ALL_DOMAIN_STATS takes, in milliseconds; settable. */
  delayMs: number;
  readonly handler: CallHandler;
  /** Makes the domain's QEMU answer, and libvirt finish with its interfaces: the calls that wait for them go on. */
  readonly revive: (domain: MeasuredFake) => void;
  /** CONNECT_GET_ALL_DOMAIN_STATS, in the order of arrival. */
  readonly statsCalls: readonly StatsCall[];
  /** Every other call that names a domain, in the order of arrival. */
  readonly otherCalls: readonly OtherCall[];
  /** The most calls that hung QEMUs kept waiting at a time. */
  readonly mostHanging: () => number;
}

interface StatsCall {
  readonly names: readonly string[];
  /** virDomainStatsTypes or'ed together. */
  readonly groups: number;
}

interface OtherCall {
  readonly name: string;
  readonly procedure: number;
}

const CONTROL_INFO = 229;
export const CPU_STATS = 262;
const JOB_STATS = 298;
export const DISK_ERRORS = 263;

const UINT = 2;
const ULLONG = 4;
const STRING = 7;
const GROUPS = { balloon: 4, vcpu: 8, interface: 16, block: 32 } as const;
const OCCUPIED = 2;
const MAX_DOMAINS = 1_000;

interface Lock {
  /** Lets the call that holds the lock go on. */
  readonly revive: () => void;
  readonly released: Promise<void>;
}

/**
 * Answers statistics as libvirt 9.0 does with NOWAIT: domain after domain, each under its job lock. A call that reaches a
 * domain whose QEMU hangs waits there and holds the lock; every call that finds the lock held gets at once what needs no
 * monitor.
 */
export function fakeStats(domains: readonly MeasuredFake[], clock: Clock = SYSTEM_CLOCK): FakeStats {
  /** The job locks that are held, by run. */
  const locks = new Map<string, Lock>();
  const slowInterfaces: [MeasuredFake, () => void][] = [];
  const statsCalls: StatsCall[] = [];
  const otherCalls: OtherCall[] = [];
  let hanging = 0;
  let mostHanging = 0;

  /** Returns false when the job lock was held, so that QEMU was not called. */
  const callQemu = async (domain: MeasuredFake): Promise<boolean> => {
    const { busyFor = 0 } = domain;
    domain.busyFor = Math.max(0, busyFor - 1);
    const run = runOf(domain);
    if (domain.busy === true || busyFor > 0 || locks.has(run)) return false;
    const [revived, released] = [createDeferred<void>(), createDeferred<void>()];
    locks.set(run, { revive: revived.resolve, released: released.promise });
    if (domain.hung === true) {
      hanging += 1;
      mostHanging = Math.max(mostHanging, hanging);
      await revived.promise;
      hanging -= 1;
    }
    if (domain.monitorMs !== undefined) await sleep(clock, domain.monitorMs);
    locks.delete(run);
    released.resolve();
    return true;
  };

  const answerStats = async (call: IncomingCall): Promise<void> => {
    const { requested, groups } = readStatsCall(call, domains);
    statsCalls.push({ names: requested.map(({ name }) => name), groups });
    if (fake.delayMs > 0) await sleep(clock, fake.delayMs);
    const failing = requested.find(({ fails }) => fails !== undefined);
    const records: Buffer[] = [];
    for (const domain of failing === undefined ? requested : []) {
      if (domain.gone === true) continue;
      const isInFull = (groups & ~GROUPS.interface) !== 0 && (await callQemu(domain));
      if (domain.interfacesHang === true && (groups & GROUPS.interface) !== 0)
        await new Promise<void>((resolve) => slowInterfaces.push([domain, resolve]));
      records.push(record(domain, groups, isInFull));
    }
    if (call.socket.destroyed) return;
    if (failing?.fails !== undefined) call.fail(failing.fails, 'libvirt fails');
    else call.reply(Buffer.concat([new XdrWriter().uint(records.length).finish(), ...records]));
  };

  const answerOther = async (call: IncomingCall): Promise<void> => {
    const { name, id } = readDomain(new XdrReader(call.payload));
    otherCalls.push({ name, procedure: call.procedure });
    const domain = domains.find((candidate) => candidate.name === name && candidate.id === id);
    const lock = domain === undefined ? undefined : locks.get(runOf(domain));
    if (call.procedure === JOB_STATS || call.procedure === DISK_ERRORS) await lock?.released;
    if (call.socket.destroyed) return;
    if (domain?.fails !== undefined) call.fail(domain.fails, 'libvirt fails');
    else if (domain === undefined || domain.gone === true) call.fail(42, 'no domain');
    else if (call.procedure === DISK_ERRORS) call.reply(diskErrorsReply(domain.diskErrors ?? {}));
    else call.reply(other(call.procedure, domain.job === true, lock !== undefined));
  };

  const fake: FakeStats = {
    delayMs: 0,
    statsCalls,
    otherCalls,
    mostHanging: () => mostHanging,
    revive: (domain) => {
      domain.hung = false;
      domain.interfacesHang = false;
      locks.get(runOf(domain))?.revive();
      for (const [waiting, goOn] of slowInterfaces.splice(0)) {
        if (waiting === domain) goOn();
        else slowInterfaces.push([waiting, goOn]);
      }
    },
    handler: afterHandshake((call) => {
      if (call.procedure === 344) void answerStats(call);
      else if ([CONTROL_INFO, CPU_STATS, JOB_STATS, DISK_ERRORS].includes(call.procedure))
        void answerOther(call);
      else if (call.procedure === 281)
        call.reply(new XdrWriter().uint(0).uint(0).finish()); // no pools
      else call.fail(3, `the fake daemon has no procedure ${call.procedure}`);
    }),
  };
  return fake;
}

function runOf({ name, id }: MeasuredFake): string {
  return `${name} ${id}`;
}

function readStatsCall(
  call: IncomingCall,
  domains: readonly MeasuredFake[],
): { requested: MeasuredFake[]; groups: number } {
  const reader = new XdrReader(call.payload);
  const runs = new Set(reader.array(MAX_DOMAINS, () => runOf(readDomain(reader))));
  return { requested: domains.filter((domain) => runs.has(runOf(domain))), groups: reader.uint() };
}

function other(procedure: number, hasJob: boolean, isLocked: boolean): Buffer {
  const out = new XdrWriter();
  if (procedure === CPU_STATS) {
    out.uint(1).string('cpu_time').int(ULLONG).fixedOpaque(hyper(1_500_000_000)).int(1);
  } else if (procedure === CONTROL_INFO) {
    out
      .uint(isLocked ? OCCUPIED : 0)
      .uint(0)
      .fixedOpaque(hyper(0));
  } else {
    out
      .int(hasJob ? 2 : 0)
      .uint(1)
      .string('operation')
      .int(UINT)
      .uint(5);
  }
  return out.finish();
}

function diskErrorsReply(errors: Readonly<Record<string, number>>): Buffer {
  const entries = Object.entries(errors);
  const out = new XdrWriter();
  out.array(entries, ([disk, error]) => out.string(disk).int(error));
  return out.int(entries.length).finish();
}

function record(domain: MeasuredFake, groups: number, isInFull: boolean): Buffer {
  const fields: [name: string, value: number | string][] = [];
  if ((groups & GROUPS.balloon) !== 0) {
    fields.push(['balloon.current', 1024]);
    if (isInFull) fields.push(['balloon.rss', 2048]);
  }
  if ((groups & GROUPS.vcpu) !== 0) fields.push(['vcpu.current', 1], ['vcpu.maximum', 1], ['vcpu.0.time', 9]);
  if ((groups & GROUPS.interface) !== 0) fields.push(['net.0.name', 'vnet0'], ['net.0.rx.bytes', 5]);
  if ((groups & GROUPS.block) !== 0) {
    fields.push(['block.count', 1], ['block.0.name', 'vda']);
    if (isInFull && domain.emptyDrive !== true) fields.push(['block.0.rd.reqs', 7]);
  }
  const out = new XdrWriter();
  writeDomain(out, domain);
  out.array(fields, ([name, value]) => {
    out.string(name);
    if (typeof value === 'string') out.int(STRING).string(value);
    else out.int(ULLONG).fixedOpaque(hyper(value));
  });
  return out.finish();
}

function hyper(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
