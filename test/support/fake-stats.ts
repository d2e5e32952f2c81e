import { type DomainRef, writeDomain } from '../../src/libvirt/wire-types.ts';
import { XdrReader, XdrWriter } from '../../src/libvirt/xdr.ts';
import { afterHandshake, type CallHandler, type IncomingCall } from './fake-libvirtd.ts';

/** A domain whose statistics are asked; what a test changes, the next call sees. */
export interface MeasuredFake extends DomainRef {
  /** Its QEMU does not answer its monitor. */
  hung?: boolean;
  /** It is not there any more. */
  gone?: boolean;
  /** libvirt fails each bulk call that it is in. */
  broken?: boolean;
  /** A job such as a migration runs. */
  job?: boolean;
}

export interface FakeStats {
  /** How long each bulk call takes; settable. */
  delayMs: number;
  readonly handler: CallHandler;
  /** Makes its QEMU answer: the call that waits for it goes on. */
  readonly revive: (domain: MeasuredFake) => void;
  /** In the order of their arrival. */
  readonly bulkCalls: readonly BulkCall[];
}

export interface BulkCall {
  readonly names: readonly string[];
  /** virDomainStatsTypes or'ed together. */
  readonly groups: number;
}

const UINT = 2;
const ULLONG = 4;
const STRING = 7;

/**
 * Answers bulk statistics as libvirt 9.0 does with NOWAIT: a call that reaches a domain whose QEMU hangs waits
 * there, and every other call gets at once what needs no monitor.
 */
export function fakeStats(domains: readonly MeasuredFake[]): FakeStats {
  const holders = new Map<string, () => void>();
  const bulkCalls: BulkCall[] = [];
  const bulk = (call: IncomingCall): void => {
    const { asked, groups } = readAsked(call, domains);
    bulkCalls.push({ names: asked.map(({ name }) => name), groups });
    if (fake.delayMs === 0) answer(call, asked);
    else setTimeout(() => answer(call, asked), fake.delayMs);
  };
  const answer = (call: IncomingCall, asked: readonly MeasuredFake[]): void => {
    if (asked.some(({ broken }) => broken === true)) {
      call.fail(1, 'internal error: cannot tell');
      return;
    }
    const records: Buffer[] = [];
    const goOn = (from: number): void => {
      for (let index = from; index < asked.length; index++) {
        const domain = asked[index];
        if (domain === undefined || domain.gone === true) continue;
        if (domain.hung === true && !holders.has(domain.name)) {
          holders.set(domain.name, () => goOn(index));
          return;
        }
        records.push(record(domain, domain.hung !== true));
      }
      if (!call.socket.destroyed) {
        call.reply(Buffer.concat([new XdrWriter().uint(records.length).finish(), ...records]));
      }
    };
    goOn(0);
  };
  const fake: FakeStats = {
    delayMs: 0,
    bulkCalls,
    revive: (domain) => {
      domain.hung = false;
      const goOn = holders.get(domain.name);
      holders.delete(domain.name);
      goOn?.();
    },
    handler: afterHandshake((call) => {
      switch (call.procedure) {
        case 344:
          return bulk(call);
        case 262: {
          const out = new XdrWriter()
            .uint(1)
            .string('cpu_time')
            .int(ULLONG)
            .fixedOpaque(hyper(1_500_000_000));
          return call.reply(out.int(1).finish());
        }
        case 229: {
          const [domain] = readOne(call, domains);
          return call.reply(
            new XdrWriter()
              .uint(domain !== undefined && holders.has(domain.name) ? 2 : 0)
              .uint(0)
              .fixedOpaque(hyper(0))
              .finish(),
          );
        }
        case 298: {
          const [domain] = readOne(call, domains);
          const out = new XdrWriter().int(domain?.job === true ? 2 : 0);
          return call.reply(out.uint(1).string('operation').int(UINT).uint(5).finish());
        }
        case 281: // CONNECT_LIST_ALL_STORAGE_POOLS: none
          return call.reply(new XdrWriter().uint(0).uint(0).finish());
        default:
          return call.fail(3, `the fake daemon has no procedure ${call.procedure}`);
      }
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

function record(domain: MeasuredFake, complete: boolean): Buffer {
  const out = new XdrWriter();
  writeDomain(out, domain);
  out.uint(complete ? 5 : 3);
  out.string('balloon.current').int(ULLONG).fixedOpaque(hyper(1024));
  out.string('block.count').int(UINT).uint(1);
  out.string('block.0.name').int(STRING).string('vda');
  if (complete) {
    out.string('balloon.rss').int(ULLONG).fixedOpaque(hyper(2048));
    out.string('block.0.rd.reqs').int(ULLONG).fixedOpaque(hyper(7));
  }
  return out.finish();
}

function hyper(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
