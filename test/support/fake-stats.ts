import { setTimeout as sleep } from 'node:timers/promises';
import { type DomainRef, writeDomain } from '../../src/libvirt/types.ts';
import { XdrReader, XdrWriter } from '../../src/libvirt/xdr.ts';
import { afterHandshake, type CallHandler, type IncomingCall } from './fake-libvirtd.ts';

/** A domain whose statistics are asked; what a test changes, the next call sees. */
export interface MeasuredFake extends DomainRef {
  /** Its QEMU does not answer its monitor. */
  hung?: boolean;
  /** Something else is at work on it, another client or a snapshot: its job lock is held. */
  busy?: boolean;
  /** How long its QEMU takes to answer; the call holds its job lock meanwhile. */
  monitorMs?: number;
  /** As busy, for this many calls. */
  busyFor?: number;
  /** libvirt does not come to an end of telling of its interfaces. */
  interfacesHang?: boolean;
  /** Its one drive is empty. */
  emptyDrive?: boolean;
  /** It is not there any more. */
  gone?: boolean;
  /** libvirt fails each call about it with this error number. */
  fails?: number | undefined;
  /** A job such as a migration runs. */
  job?: boolean;
}

export interface FakeStats {
  /** How long each bulk call takes; settable. */
  delayMs: number;
  readonly handler: CallHandler;
  /** Makes its QEMU and what tells of its interfaces answer: the calls that wait for it go on. */
  readonly revive: (domain: MeasuredFake) => void;
  /** In the order of their arrival. */
  readonly bulkCalls: readonly BulkCall[];
  /** The most calls that hung QEMUs kept waiting at a time. */
  readonly mostHanging: () => number;
}

export interface BulkCall {
  readonly names: readonly string[];
  /** virDomainStatsTypes or'ed together. */
  readonly groups: number;
}

const UINT = 2;
const ULLONG = 4;
const STRING = 7;
const GROUPS = { balloon: 4, vcpu: 8, interface: 16, block: 32 } as const;
const OCCUPIED = 2;

/**
 * Answers bulk statistics as libvirt 9.0 does with NOWAIT: domain after domain, each under its job lock. A call that
 * reaches a domain whose QEMU hangs waits there and holds the lock; every call that finds the lock held gets at once
 * what needs no monitor.
 */
export function fakeStats(domains: readonly MeasuredFake[]): FakeStats {
  /** Who holds a domain's lock, with what lets a hanging one go on. */
  const locks = new Map<string, () => void>();
  const slowInterfaces: [MeasuredFake, () => void][] = [];
  const bulkCalls: BulkCall[] = [];
  let hanging = 0;
  let mostHanging = 0;

  /** Whether QEMU was asked. */
  const askQemu = async (domain: MeasuredFake): Promise<boolean> => {
    const { busyFor = 0 } = domain;
    domain.busyFor = Math.max(0, busyFor - 1);
    if (domain.busy === true || busyFor > 0 || locks.has(domain.name)) return false;
    const hangs = new Promise<void>((resolve) => locks.set(domain.name, resolve));
    if (domain.hung === true) {
      hanging += 1;
      mostHanging = Math.max(mostHanging, hanging);
      await hangs;
      hanging -= 1;
    }
    if (domain.monitorMs !== undefined) await sleep(domain.monitorMs);
    locks.delete(domain.name);
    return true;
  };

  const bulk = async (call: IncomingCall): Promise<void> => {
    const { asked, groups } = readAsked(call, domains);
    bulkCalls.push({ names: asked.map(({ name }) => name), groups });
    if (fake.delayMs > 0) await sleep(fake.delayMs);
    const failing = asked.find(({ fails }) => fails !== undefined);
    const records: Buffer[] = [];
    for (const domain of failing === undefined ? asked : []) {
      if (domain.gone === true) continue;
      const isInFull = (groups & ~GROUPS.interface) !== 0 && (await askQemu(domain));
      if (domain.interfacesHang === true && (groups & GROUPS.interface) !== 0)
        await new Promise<void>((resolve) => slowInterfaces.push([domain, resolve]));
      records.push(record(domain, groups, isInFull));
    }
    if (call.socket.destroyed) return;
    if (failing?.fails !== undefined) call.fail(failing.fails, 'cannot tell');
    else call.reply(Buffer.concat([new XdrWriter().uint(records.length).finish(), ...records]));
  };

  const answerSmall = (call: IncomingCall): void => {
    const [domain] = readOne(call, domains);
    if (domain?.fails !== undefined) call.fail(domain.fails, 'cannot tell');
    else if (domain?.gone === true) call.fail(42, 'no domain');
    else call.reply(small(call.procedure, domain?.job === true, locks.has(domain?.name ?? '')));
  };

  const fake: FakeStats = {
    delayMs: 0,
    bulkCalls,
    mostHanging: () => mostHanging,
    revive: (domain) => {
      domain.hung = false;
      domain.interfacesHang = false;
      locks.get(domain.name)?.();
      for (const [waiting, goOn] of slowInterfaces.splice(0)) {
        if (waiting === domain) goOn();
        else slowInterfaces.push([waiting, goOn]);
      }
    },
    handler: afterHandshake((call) => {
      if (call.procedure === 344) void bulk(call);
      else if ([229, 262, 298].includes(call.procedure)) answerSmall(call);
      else if (call.procedure === 281)
        call.reply(new XdrWriter().uint(0).uint(0).finish()); // no pools
      else call.fail(3, `the fake daemon has no procedure ${call.procedure}`);
    }),
  };
  return fake;
}

function readAsked(
  call: IncomingCall,
  domains: readonly MeasuredFake[],
): { asked: MeasuredFake[]; groups: number } {
  const reader = new XdrReader(call.payload);
  const names = reader.array(1_000, () => readDomainName(reader));
  return { asked: names.flatMap((name) => byName(name, domains)), groups: reader.uint() };
}

function readOne(call: IncomingCall, domains: readonly MeasuredFake[]): MeasuredFake[] {
  return byName(readDomainName(new XdrReader(call.payload)), domains);
}

function readDomainName(reader: XdrReader): string {
  const name = reader.string(4096);
  reader.fixedOpaque(16);
  reader.int();
  return name;
}

const byName = (name: string, domains: readonly MeasuredFake[]): MeasuredFake[] =>
  domains.filter((domain) => domain.name === name);

/** Replies of DOMAIN_GET_CPU_STATS, DOMAIN_GET_CONTROL_INFO and DOMAIN_GET_JOB_STATS. */
function small(procedure: number, hasJob: boolean, isLocked: boolean): Buffer {
  const out = new XdrWriter();
  if (procedure === 262) {
    out.uint(1).string('cpu_time').int(ULLONG).fixedOpaque(hyper(1_500_000_000)).int(1);
  } else if (procedure === 229) {
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
