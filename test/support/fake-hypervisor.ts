import { type DomainRef, writeDomain } from '../../src/libvirt/types.ts';
import { XdrReader, XdrWriter } from '../../src/libvirt/xdr.ts';
import { afterHandshake, type CallHandler, eventFrame, type IncomingCall } from './fake-libvirtd.ts';

/** A domain of the fake hypervisor; what a test changes, the next call sees. */
export interface FakeDomain extends DomainRef {
  state: number;
  /** Reason of the state; 0 when left out. */
  reason?: number;
  /** Answers GET_XML_DESC; throwing FakeFailure makes it an error, returning undefined leaves it unanswered. */
  xml: (flags: number) => string | undefined;
  transient?: boolean;
  /** XML in its managed save image; undefined without an image. Throws FakeFailure as `xml` does. */
  saved?: (() => string | undefined) | undefined;
  /** For how long a call has waited for its monitor; in milliseconds. */
  occupiedMs?: number;
}

export class FakeFailure extends Error {
  readonly number: number;

  constructor(number: number, message: string) {
    super(message);
    this.number = number;
  }
}

const CAPABILITIES = `<capabilities><host><cpu><arch>x86_64</arch></cpu></host><guest><os_type>hvm</os_type>
<arch name='x86_64'><emulator>/usr/bin/qemu-system-x86_64</emulator>
<machine canonical='pc-q35-7.2'>q35</machine><machine>pc-q35-7.2</machine><machine>pc-q35-3.1</machine>
<domain type='qemu'/><domain type='kvm'/></arch></guest></capabilities>`;

export function domainXmlOf(machine: string): string {
  return `<domain type='kvm'><os><type arch='x86_64' machine='${machine}'>hvm</type></os><memory>1024</memory>
    <vcpu>1</vcpu><devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>`;
}

export function fakeUuid(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

/** Answers every call of the inventory from a list of domains; `first` sees each call, and may take it. */
export function fakeHypervisor(
  domains: () => readonly FakeDomain[],
  first?: (call: IncomingCall) => boolean,
): CallHandler {
  return afterHandshake((call) => {
    if (first?.(call) === true) return undefined;
    switch (call.procedure) {
      case 4: // CONNECT_GET_VERSION: 7.2.22
      case 157: // CONNECT_GET_LIB_VERSION
        return call.reply(Buffer.from('00000000006ad7a6', 'hex'));
      case 7:
        return call.reply(new XdrWriter().string(CAPABILITIES).finish());
      case 273:
        return call.reply(listReply(domains().filter(isListedBy(call))));
      case 344:
        return call.reply(statesReply(domains()));
      case 14:
        return answerXml(call, domains(), (domain, flags) => domain.xml(flags));
      case 388: // DOMAIN_MANAGED_SAVE_GET_XML_DESC
        return answerXml(call, domains(), (domain) => domain.saved?.());
      case 229:
        return call.reply(controlInfoReply(calledDomain(call, domains())));
      default:
        return call.fail(1, `the fake hypervisor has no procedure ${call.procedure}`);
    }
  });
}

/** A lifecycle event as the daemon would send it. */
export function lifecycleEvent(domain: DomainRef, event: number, detail = 0): Buffer {
  const out = new XdrWriter().int(1);
  writeDomain(out, domain);
  return eventFrame(318, out.int(event).int(detail).finish());
}

function listReply(domains: readonly FakeDomain[]): Buffer {
  const out = new XdrWriter();
  out.array(domains, (domain) => writeDomain(out, domain));
  return out.uint(domains.length).finish();
}

function statesReply(domains: readonly FakeDomain[]): Buffer {
  const typeInt = 1;
  const out = new XdrWriter();
  out.array(domains, (domain) => {
    writeDomain(out, domain);
    out
      .uint(2)
      .string('state.state')
      .int(typeInt)
      .int(domain.state)
      .string('state.reason')
      .int(typeInt)
      .int(domain.reason ?? 0);
  });
  return out.finish();
}

function calledDomain(call: IncomingCall, domains: readonly FakeDomain[]): FakeDomain | undefined {
  const reader = new XdrReader(call.payload);
  reader.string(4096);
  const uuid = reader.fixedOpaque(16).toString('hex');
  return domains.find((candidate) => candidate.uuid.replaceAll('-', '') === uuid);
}

/** DOMAIN_GET_CONTROL_INFO: state, details, milliseconds. */
function controlInfoReply(domain: FakeDomain | undefined): Buffer {
  const waiting = domain?.occupiedMs ?? 0;
  const [ok, occupied] = [0, 2];
  return new XdrWriter()
    .uint(waiting > 0 ? occupied : ok)
    .uint(0)
    .uint(0)
    .uint(waiting)
    .finish();
}

/** CONNECT_LIST_ALL_DOMAINS: by the flag for transient domains, or else that for managed save images. */
function isListedBy(call: IncomingCall): (domain: FakeDomain) => boolean {
  const [transients, saves] = [8, 256];
  const flags = call.payload.readUInt32BE(4);
  return ({ transient, saved }) =>
    (flags === transients && transient === true) || (flags === saves && saved !== undefined);
}

function answerXml(
  call: IncomingCall,
  domains: readonly FakeDomain[],
  answer: (domain: FakeDomain, flags: number) => string | undefined,
): void {
  const domain = calledDomain(call, domains);
  if (domain === undefined) {
    call.fail(42, 'Domain not found');
    return;
  }
  const flags = call.payload.readUInt32BE(call.payload.length - 4);
  try {
    const xml = answer(domain, flags);
    if (xml !== undefined) call.reply(new XdrWriter().string(xml).finish());
  } catch (error) {
    if (!(error instanceof FakeFailure)) throw error;
    call.fail(error.number, error.message);
  }
}
