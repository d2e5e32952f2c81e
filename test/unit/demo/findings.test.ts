import { describe, expect, test } from '@jest/globals';
import { describeAlert } from '../../../deploy/demo/alert-text.ts';
import { type Findings, renderFindings } from '../../../deploy/demo/findings.ts';
import { KNOWN_ALERTS } from '../../../deploy/demo/remedies.ts';
import { Exposition } from '../../../testbed/exposition.ts';
import { isAlert, readRuleGroups } from '../rules/rule-files.ts';

const TERMINAL_COLUMNS = 80;
const MIB = 2 ** 20;

const SEEN = `
libvirt_hypervisor_info{driver="QEMU",version="7.2.22",libvirt_version="9.0.0"} 1
libvirt_domain_state{domain="rig-demo-node1",state="running"} 1
libvirt_domain_state{domain="rig-demo-node1",state="shutoff"} 0
libvirt_domain_machine_type_info{domain="rig-demo-node1",machine="pc-q35-3.1"} 1
libvirt_domain_machine_type_releases_behind{domain="rig-demo-node1"} 12
libvirt_domain_os_info{domain="rig-demo-node1",declared="http://ubuntu.com/ubuntu/18.04",detected="http://ubuntu.com/ubuntu/20.04"} 1
libvirt_domain_guest_swap_total_bytes{domain="rig-demo-node1"} ${256 * MIB}
libvirt_domain_guest_swap_used_bytes{domain="rig-demo-node1"} ${64 * MIB}
libvirt_domain_guest_swap_total_bytes{domain="rig-demo-node2"} 0
libvirt_domain_guest_swap_used_bytes{domain="rig-demo-node2"} 0
libvirt_domain_state{domain="rig-demo-node2",state="running"} 1
libvirt_domain_state{domain="rig-demo-legacy",state="shutoff"} 1
libvirt_domain_machine_type_info{domain="rig-demo-legacy",machine="pc-i440fx-2.11"} 1
libvirt_domain_machine_type_releases_behind{domain="rig-demo-legacy"} 15
libvirt_domain_os_info{domain="rig-demo-legacy",declared="http://ubuntu.com/ubuntu/16.04",detected=""} 1
`;

const alert = (alertname: string, domain: string) => ({
  status: 'firing' as const,
  labels: { alertname, domain, severity: 'warning' },
  annotations: {
    summary: 'A guest is slow because it swaps.',
    description: `${domain} waits for I/O. `.repeat(20),
    runbook_url: `https://example.org/repository/blob/main/docs/runbooks.md#${alertname.toLowerCase()}`,
  },
});

const FINDINGS: Findings = {
  seen: new Exposition(SEEN),
  domains: ['rig-demo-node1', 'rig-demo-node2', 'rig-demo-legacy'],
  iowait: new Map([
    ['rig-demo-node1', 0.634],
    ['rig-demo-node2', 0],
  ]),
  alerts: [
    alert('LibvirtGuestSwapThrashing', 'rig-demo-node1'),
    alert('LibvirtOsDrift', 'rig-demo-node1'),
    alert('LibvirtGuestSwapThrashing', 'rig-demo-node1'),
    alert('LibvirtSomethingNew', 'rig-demo-legacy'),
  ],
};

describe('the findings', () => {
  const lines = renderFindings(FINDINGS).split('\n');
  const row = (domain: string): string | undefined => lines.find((line) => line.startsWith(`${domain} `));

  test.each([
    ['rig-demo-node1', ['pc-q35-3.1', '12', 'ubuntu18.04', 'ubuntu20.04', '25 %', '63 %']],
    ['rig-demo-node2', ['-', '-', '-', '-', 'none', '0 %']],
    ['rig-demo-legacy', ['pc-i440fx-2.11', '15', 'ubuntu16.04', 'shutoff', '-', '-']],
  ])('have a row for %s', (domain, cells) => {
    expect(row(domain)?.split(/ {2,}/)).toEqual([domain, ...cells]);
  });

  test('name the installed QEMU and libvirt', () => {
    expect(lines[0]).toContain('QEMU 7.2.22, libvirt 9.0.0');
  });

  test('have each alert once below its domain, with what to do', () => {
    const at = lines.indexOf('rig-demo-node1');
    expect(lines.slice(at, at + 4)).toEqual([
      'rig-demo-node1',
      expect.stringMatching(/^ {2}LibvirtGuestSwapThrashing +give it memory/),
      expect.stringMatching(/^ {2}LibvirtOsDrift +`virsh edit`/),
      '',
    ]);
    expect(lines).not.toContain('rig-demo-node2');
  });

  test('point to the runbooks for an alert without a line of its own', () => {
    expect(lines.find((line) => line.includes('LibvirtSomethingNew'))).toContain('docs/runbooks.md');
  });

  test('fit the terminal', () => {
    const all = renderFindings({
      ...FINDINGS,
      alerts: KNOWN_ALERTS.map((name) => alert(name, 'rig-demo-node1')),
    });
    for (const line of all.split('\n')) expect(line.length).toBeLessThanOrEqual(TERMINAL_COLUMNS);
  });

  test('are rendered where nothing is known', () => {
    const empty = { seen: new Exposition(''), domains: ['a'], iowait: new Map(), alerts: [] };
    expect(renderFindings(empty).split('\n').at(-1)?.split(/ +/)).toEqual(['a', ...Array(6).fill('-')]);
  });
});

test('what to do is said of alerts that exist', async () => {
  const rules = (await readRuleGroups()).flatMap((group) => group.rules.filter(isAlert));
  const names = rules.map(({ alert }) => alert);
  for (const name of KNOWN_ALERTS) expect(names).toContain(name);
});

test('an alert fits the terminal and names its runbook in this repository', () => {
  const text = describeAlert(alert('LibvirtGuestSwapThrashing', 'rig-demo-node1'));
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(TERMINAL_COLUMNS);
  expect(text).toContain('Runbook: docs/runbooks.md#libvirtguestswapthrashing');
});
