import { XdrReader, XdrWriter } from '../../src/libvirt/xdr.ts';
import { startExporterProcess } from '../../testbed/exporter-process.ts';
import { domainXmlOf, type FakeDomain, fakeHypervisor, fakeUuid } from '../support/fake-hypervisor.ts';
import { startFakeLibvirtd } from '../support/fake-libvirtd.ts';
import { cpuSeconds } from './process-usage.ts';

/**
 * What probing costs the exporter. Two hundred guests do not fit on one machine under emulation, so a fake daemon
 * answers for them, over a real socket and as fast as it can; the exporter is the real one.
 */

const WINDOW_MS = 60_000;
const AGENT_COMMAND = 3;
const QEMU_PROGRAM = 0x20008087;

const COMMANDS = [
  'guest-info',
  'guest-get-osinfo',
  'guest-get-cpustats',
  'guest-file-open',
  'guest-file-read',
  'guest-file-close',
];

const CPU = {
  type: 'linux',
  user: 1000,
  nice: 0,
  system: 2000,
  idle: 90_000,
  iowait: 10,
  irq: 0,
  softirq: 5,
  steal: 0,
};
const FILES: Readonly<Record<string, string>> = {
  '/proc/stat': `cpu  100 0 200 9000 1 0 1 0 0 0\nbtime 1790000000\n`,
  '/proc/meminfo':
    'MemTotal: 2000000 kB\nMemAvailable: 1000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n'.replaceAll(
      ': ',
      ':    ',
    ),
  '/proc/loadavg': '0.10 0.20 0.30 1/100 1234\n',
};
const PRESSURE =
  'some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=500\n';

function answer(text: string): unknown {
  const { execute, arguments: args } = JSON.parse(text) as {
    execute: string;
    arguments?: Record<string, string>;
  };
  switch (execute) {
    case 'guest-info':
      return { version: '7.2.22', supported_commands: COMMANDS.map((name) => ({ name, enabled: true })) };
    case 'guest-get-osinfo':
      return { id: 'ubuntu', name: 'Ubuntu', 'version-id': '22.04', 'kernel-release': '5.15.0' };
    case 'guest-get-cpustats':
      return [0, 1, 2, 3].map((cpu) => ({ ...CPU, cpu }));
    case 'guest-file-open':
      return Object.keys(FILES).indexOf(args?.path ?? '') + 1;
    case 'guest-file-read': {
      const content = Object.values(FILES)[Number(args?.handle) - 1] ?? PRESSURE;
      return { count: content.length, 'buf-b64': Buffer.from(content).toString('base64'), eof: true };
    }
    default:
      return {};
  }
}

/** Probes `count` guests at the default interval for a minute. `cpuPercent` is the exporter's share of one processor. */
export async function measureProbing(
  count: number,
): Promise<{ cpuPercent: number; commandsPerSecond: number }> {
  const agent = `<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>`;
  const xml = domainXmlOf('pc-q35-7.2').replace('</devices>', `${agent}</devices>`);
  const domains: FakeDomain[] = Array.from({ length: count }, (_, index) => ({
    name: `guest-${index + 1}`,
    uuid: fakeUuid(index + 1),
    id: index + 1,
    state: 1,
    xml: () => xml,
  }));
  let commands = 0;
  const hypervisor = fakeHypervisor(() => domains);
  const daemon = await startFakeLibvirtd((call) => {
    if (call.program !== QEMU_PROGRAM || call.procedure !== AGENT_COMMAND) return hypervisor(call);
    commands += 1;
    const reader = new XdrReader(call.payload);
    reader.string(4096);
    reader.fixedOpaque(16);
    reader.int();
    const reply = JSON.stringify({ return: answer(reader.string(65_536)) });
    call.reply(
      new XdrWriter()
        .optional(reply, () => undefined)
        .string(reply)
        .finish(),
    );
  });
  const exporter = await startExporterProcess(`--libvirt.uri=qemu+unix:///system?socket=${daemon.path}`);
  try {
    await exporter.scrapeUntil((seen) => seen.all('libvirt_domain_guest_agent_up').length === count, 60_000);
    const pid = exporter.child.pid ?? 0;
    const [cpuBefore, commandsBefore] = [await cpuSeconds(pid), commands];
    await new Promise((resolve) => setTimeout(resolve, WINDOW_MS));
    const cpu = (await cpuSeconds(pid)) - cpuBefore;
    return {
      cpuPercent: (cpu * 100_000) / WINDOW_MS,
      commandsPerSecond: ((commands - commandsBefore) * 1000) / WINDOW_MS,
    };
  } finally {
    await exporter.stop();
    await daemon.stop();
  }
}
