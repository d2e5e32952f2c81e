import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CONFIG_CHANGES, pendingChanges } from '../../src/drift/config-pending.ts';
import { parseDomainXml } from '../../src/inventory/domain-xml.ts';
import type { GuestSpec } from '../../testbed/domain-xml.ts';
import {
  defineGuest,
  defineXml,
  destroyGuest,
  dumpXml,
  startGuest,
  undefineGuest,
} from '../../testbed/domains.ts';
import { haltedGuest } from '../../testbed/halted-guest.ts';

/** The text of `dumpxml --inactive` is edited: the first text is replaced by the second. */
type Edit = readonly [
  what: string,
  pending: readonly string[],
  ...replace: readonly (readonly [string | RegExp, string])[],
];

interface Definition {
  readonly what: string;
  readonly spec: Partial<GuestSpec>;
  /** Made before the first start. */
  readonly replace?: readonly (readonly [string | RegExp, string])[];
  readonly edits: readonly Edit[];
}

const add = (what: string, pending: string, xml: string): Edit => [
  what,
  pending === '' ? [] : [pending],
  ['</devices>', `${xml}</devices>`],
];
const FEATURES = /<features>[\s\S]*<\/features>/;
const cpu = (xml: string): Partial<GuestSpec> => ({ extraDomainXml: xml });

const DEFINITIONS: readonly Definition[] = [
  {
    what: 'the least of a q35 machine',
    spec: { machine: 'q35' },
    edits: [
      ['nothing', [], ['<devices>', '<devices>']],
      ['a slash twice', [], ['/disks/', '/disks//']],
      ['the default cache mode', [], ["type='raw'", "type='raw' cache='writeback'"]],
      ['another cache mode', ['disk'], ["type='raw'", "type='raw' cache='unsafe'"]],
      ['a serial number', ['disk'], ["<target dev='vda'", "<serial>x</serial><target dev='vda'"]],
      ['PAE', ['features'], ['<acpi/>', '<acpi/><pae/>']],
      ['no ACPI', ['features'], [/<features>[\s\S]*<\/features>/, '']],
      ['another model', ['interface'], ["<model type='virtio'/>", "<model type='e1000'/>"]],
      [
        'the link down',
        ['interface'],
        ["<model type='virtio'/>", "<model type='virtio'/><link state='down'/>"],
      ],
      ['another MAC address', ['interface'], [/<mac address='[^']*'/, "<mac address='52:54:00:12:34:56'"]],
      ['no interface', ['interface'], [/<interface[\s\S]*<\/interface>/, '']],
      [
        'EFI firmware',
        ['firmware'],
        [
          "<boot dev='hd'/>",
          "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader><boot dev='hd'/>",
        ],
      ],
      ['more memory', ['memory'], [/<memory unit='KiB'>\d+/, "<memory unit='KiB'>65536"]],
      ['a title', [], ['<memory unit', '<title>x</title><memory unit']],
      add('VNC', 'graphics', "<graphics type='vnc'/>"),
      add('a second interface', 'interface', "<interface type='user'><model type='e1000'/></interface>"),
      add('a SCSI controller', 'controller', "<controller type='scsi' model='virtio-scsi'/>"),
      add(
        'a SCSI disk',
        'disk',
        "<disk type='file' device='disk'><source file='/nowhere.img'/><target dev='sda' bus='scsi'/></disk>",
      ),
      add(
        'an agent channel',
        '',
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
      ),
    ],
  },
  {
    what: 'a pc machine with displays and controllers',
    spec: {
      machine: 'pc',
      extraDevicesXml: `<graphics type='vnc' autoport='yes' websocket='-1'><listen type='address' address='127.0.0.1'/></graphics>
        <video><model type='vga'/></video>
        <controller type='scsi' model='virtio-scsi'><driver queues='2'/></controller>
        <disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk>`,
    },
    replace: [
      [
        "<controller type='usb' index='0' model='none'/>",
        "<controller type='usb' index='0' model='qemu-xhci' ports='4'/>",
      ],
    ],
    edits: [
      ['a fixed port', ['graphics'], [/port='-1' autoport='yes'/, "port='5977' autoport='no'"]],
      ['another address', ['graphics'], [/127\.0\.0\.1/g, '0.0.0.0']],
      ['a keymap', ['graphics'], ["autoport='yes'", "autoport='yes' keymap='de'"]],
      ['no display', ['graphics'], [/<graphics[\s\S]*<\/graphics>/, '']],
      [
        'a display on a socket',
        ['graphics'],
        [/<graphics[\s\S]*<\/graphics>/, "<graphics type='vnc'><listen type='socket'/></graphics>"],
      ],
      ['queues of a controller', ['controller'], ["<driver queues='2'/>", "<driver queues='4'/>"]],
      ['ports of a controller', ['controller'], ["ports='4'", "ports='8'"]],
      ['another USB controller', ['controller'], ["model='qemu-xhci' ports='4'", "model='nec-xhci'"]],
      ['no CD drive', ['disk'], [/<disk type='file' device='cdrom'>[\s\S]*?<\/disk>/, '']],
    ],
  },
  {
    what: 'a display on a socket',
    spec: { extraDevicesXml: "<graphics type='vnc'><listen type='socket'/></graphics>" },
    edits: [['an address', ['graphics'], ["<listen type='socket'/>", "<listen type='address'/>"]]],
  },
  {
    what: 'enlightenments and hidden KVM',
    spec: { machine: 'q35' },
    replace: [
      [
        FEATURES,
        `<features><acpi/><apic eoi='on'/><hyperv><relaxed state='on'/><spinlocks state='on' retries='8191'/></hyperv>
          <kvm><hidden state='on'/></kvm><vmport state='off'/><smm state='on'/></features>`,
      ],
    ],
    edits: [
      ['retries', ['features'], ["retries='8191'", "retries='4095'"]],
      ['KVM shown', ['features'], ["<hidden state='on'/>", "<hidden state='off'/>"]],
      ['an enlightenment less', ['features'], ["<relaxed state='on'/>", '']],
      ['no vmport', ['features'], ["<vmport state='off'/>", '']],
    ],
  },
  {
    what: 'a CPU model with features',
    spec: cpu(`<cpu mode='custom' match='exact'><model>Nehalem</model><feature policy='require' name='aes'/>
      <feature policy='disable' name='popcnt'/><feature policy='require' name='vmx'/><feature policy='optional' name='pcid'/></cpu>`),
    edits: [
      [
        'a feature more',
        ['cpu'],
        [
          "<feature policy='require' name='aes'/>",
          "<feature policy='require' name='aes'/><feature policy='require' name='avx'/>",
        ],
      ],
      ['a feature less', ['cpu'], ["<feature policy='require' name='aes'/>", '']],
      ['a feature turned off', ['cpu'], ["policy='require' name='aes'", "policy='disable' name='aes'"]],
      ['a feature turned on', ['cpu'], ["policy='disable' name='popcnt'", "policy='require' name='popcnt'"]],
      ['another model', ['cpu'], ['Nehalem', 'Westmere']],
      ['host-model', ['cpu'], [/<cpu[\s\S]*<\/cpu>/, "<cpu mode='host-model'/>"]],
    ],
  },
  {
    what: 'the model of the host',
    spec: cpu("<cpu mode='host-model'><feature policy='disable' name='aes'/></cpu>"),
    edits: [
      ['a feature less', ['cpu'], [/<feature policy='disable' name='aes'\/>/, '']],
      ['no CPU', ['cpu'], [/<cpu[\s\S]*<\/cpu>/, '']],
    ],
  },
  {
    what: 'the most that QEMU has',
    spec: cpu("<cpu mode='maximum'/>"),
    edits: [
      [
        'a feature',
        ['cpu'],
        [/<cpu mode='maximum'[^>]*\/>/, "<cpu mode='maximum'><feature policy='disable' name='avx'/></cpu>"],
      ],
    ],
  },
  {
    what: 'more of everything',
    spec: {
      machine: 'q35',
      maximumVcpus: 4,
      agentChannel: true,
      extraDevicesXml: `<video><model type='virtio'/></video><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
        <watchdog model='i6300esb'/><panic model='isa'/><input type='tablet' bus='virtio'/><sound model='ich6'/>
        <disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk><iommu model='intel'/>`,
      extraDomainXml: `<iothreads>1</iothreads><clock offset='localtime'><timer name='hpet' present='no'/></clock>
        <pm><suspend-to-mem enabled='no'/></pm><genid/><sysinfo type='smbios'><bios><entry name='vendor'>x</entry></bios></sysinfo>`,
    },
    edits: [
      ['more vCPUs', ['cpu'], [/>4<\/vcpu>/, '>8</vcpu>']],
      ['an emulator with a slash twice', [], ['<emulator>/usr/', '<emulator>/usr//']],
      ['a machine type', ['machine_type'], [/machine='pc-q35-[\d.]+'/, "machine='pc-q35-3.1'"]],
    ],
  },
];

const NAME = 'rig-test-pending';
const HOST_MACHINES = new Map([['q35', 'pc-q35-7.2']]);

/** What waits by the documents that libvirt returns now. `first` is the persistent one of the start. */
async function pendingOf(name: string, first?: string): Promise<string[]> {
  const [live, persistent] = [await dumpXml(name), await dumpXml(name, '--inactive')].map(parseDomainXml);
  if (live === undefined || persistent === undefined) throw new Error('no documents');
  const changes = pendingChanges(live, persistent, {
    resolveMachine: (_arch, machine) => HOST_MACHINES.get(machine) ?? machine,
    atStart: first === undefined ? undefined : parseDomainXml(first),
  });
  return CONFIG_CHANGES.filter((change) => changes[change]);
}

const edited = (xml: string, replace: Definition['replace'] = []): string =>
  replace.reduce((text, [from, to]) => {
    const next = text.replace(from, to);
    if (next === text && from !== to) throw new Error(`the definition does not have ${from}: ${text}`);
    return next;
  }, xml);

describe.each(DEFINITIONS.map((definition, index) => ({ ...definition, name: `${NAME}-${index}` })))(
  '$what',
  ({ name, spec, replace = [], edits }) => {
    let original: string;

    beforeAll(async () => {
      await defineGuest(haltedGuest(name, spec));
      if (replace.length > 0) await defineXml(name, edited(await dumpXml(name, '--inactive'), replace));
      await startGuest(name);
      original = await dumpXml(name, '--inactive');
    });

    afterAll(async () => {
      await destroyGuest(name);
      await undefineGuest(name);
    });

    test('nothing waits right after the start', async () => {
      expect(await pendingOf(name)).toEqual([]);
      expect(await pendingOf(name, original)).toEqual([]);
    });

    test.each(edits)('%s: %j waits, and nothing else', async (_what, pending, ...changes) => {
      await defineXml(name, edited(original, changes));
      expect(await pendingOf(name, original)).toEqual(pending);
      await defineXml(name, original);
      expect(await pendingOf(name, original)).toEqual([]);
    });
  },
);
