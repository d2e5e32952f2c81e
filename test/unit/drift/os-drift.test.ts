import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseOsId } from '../../../src/drift/declared-os.ts';
import {
  type DetectedOs,
  evaluateOsDrift,
  OS_DRIFT_STATES,
  type OsDriftState,
} from '../../../src/drift/os-drift.ts';
import { SHIPPED_OSINFO } from '../../../src/osinfo/table.generated.ts';

function driftOf(declared: string, running: string): OsDriftState {
  return evaluateOsDrift({
    declared: `http://${declared}`,
    detected: { kind: 'id', id: `http://${running}` },
  });
}

const UNMAPPABLE: DetectedOs = { kind: 'unmappable' };
const UNAVAILABLE: DetectedOs = { kind: 'unavailable' };
const UBUNTU: DetectedOs = { kind: 'id', id: 'http://ubuntu.com/ubuntu/22.04' };

describe('what comes first', () => {
  const jammy = 'http://ubuntu.com/ubuntu/22.04';
  const vague = 'http://libosinfo.org/linux/2022';

  test.each<[string | undefined, DetectedOs, OsDriftState]>([
    [undefined, UBUNTU, 'declared_missing'],
    [undefined, UNAVAILABLE, 'declared_missing'],
    [undefined, UNMAPPABLE, 'declared_missing'],
    ['', UBUNTU, 'declared_missing'],
    [vague, UBUNTU, 'declared_unknown'],
    [vague, UNAVAILABLE, 'declared_unknown'],
    [vague, UNMAPPABLE, 'declared_unknown'],
    [jammy, UNAVAILABLE, 'agent_unavailable'],
    [jammy, UNMAPPABLE, 'unmappable'],
    [jammy, UBUNTU, 'match'],
  ])('%s, %p', (declared, detected, state) => {
    expect(evaluateOsDrift({ declared, detected })).toBe(state);
  });

  test.each([
    'libosinfo.org/unknown',
    'libosinfo.org/linux/2024',
    'redhat.com/rhel/unknown',
    'redhat.com/rhel/8-unknown',
    'ubuntu.com/ubuntu',
    'ubuntu',
  ])('%s declares no release', (declared) => {
    expect(driftOf(declared, 'redhat.com/rhel/8.4')).toBe('declared_unknown');
  });

  test.each(['ubuntu22.04', 'urn:ubuntu', `http://ubuntu.com/ubuntu/${'2'.repeat(300)}`])(
    '%s is no id',
    (declared) => {
      expect(evaluateOsDrift({ declared, detected: UBUNTU })).toBe('declared_unknown');
    },
  );
});

describe('declared against running', () => {
  test.each<[string, string, OsDriftState]>([
    ['ubuntu.com/ubuntu/22.04', 'ubuntu.com/ubuntu/22.04', 'match'],
    ['ubuntu.com/ubuntu/18.04', 'ubuntu.com/ubuntu/20.04', 'major_differs'],
    ['ubuntu.com/ubuntu/22.04', 'ubuntu.com/ubuntu/22.10', 'major_differs'],
    ['debian.org/debian/11', 'debian.org/debian/12', 'major_differs'],
    ['debian.org/debian/12', 'ubuntu.com/ubuntu/22.04', 'distro_differs'],
    ['redhat.com/rhel/9.2', 'redhat.com/rhel/9.4', 'minor_differs'],
    ['redhat.com/rhel/8.10', 'redhat.com/rhel/9.4', 'major_differs'],
    ['redhat.com/rhel/8.1', 'redhat.com/rhel/8.10', 'minor_differs'],
    ['redhat.com/rhel/9.4', 'rockylinux.org/rocky/9', 'distro_differs'],
    ['alpinelinux.org/alpinelinux/3.21', 'alpinelinux.org/alpinelinux/3.22', 'major_differs'],
    ['nixos.org/nixos/24.05', 'nixos.org/nixos/24.11', 'major_differs'],
    ['opensuse.org/opensuse/15.5', 'opensuse.org/opensuse/15.6', 'minor_differs'],
    ['opensuse.org/opensuse/42.2', 'opensuse.org/opensuse/42.3', 'major_differs'],
    ['freebsd.org/freebsd/13.2', 'freebsd.org/freebsd/13.4', 'minor_differs'],
    ['fedoraproject.org/fedora/40', 'fedoraproject.org/fedora/42', 'major_differs'],
    ['fedoraproject.org/fedora/40', 'fedoraproject.org/silverblue/40', 'distro_differs'],
    ['centos.org/centos/8', 'centos.org/centos-stream/8', 'distro_differs'],
    ['microsoft.com/win/10', 'microsoft.com/win/11', 'major_differs'],
    ['microsoft.com/win/2k19', 'microsoft.com/win/2k22', 'major_differs'],
    ['microsoft.com/win/2k12', 'microsoft.com/win/2k12r2', 'major_differs'],
    ['microsoft.com/win/8', 'microsoft.com/win/8.1', 'minor_differs'],
    ['microsoft.com/win/2k3r2', 'microsoft.com/win/2k3', 'match'],
    ['microsoft.com/win/10', 'debian.org/debian/10', 'distro_differs'],
  ])('%s, %s: %s', (declared, running, state) => {
    expect(driftOf(declared, running)).toBe(state);
  });
});

describe('ids that tell less', () => {
  test.each<[string, string, OsDriftState]>([
    // Rocky 9.4 is detected as rocky/9, CentOS 7.9 as centos/7.0.
    ['rockylinux.org/rocky/9', 'rockylinux.org/rocky/9', 'match'],
    ['rockylinux.org/rocky/9.0', 'rockylinux.org/rocky/9', 'match'],
    ['centos.org/centos/7.0', 'centos.org/centos/7.0', 'match'],
    ['centos.org/centos/7', 'centos.org/centos/7.0', 'match'],
    ['centos.org/centos/7.0', 'centos.org/centos/8', 'major_differs'],
    ['oracle.com/ol/9.4', 'oracle.com/ol/9-unknown', 'minor_differs'],
    ['oracle.com/ol/8.9', 'oracle.com/ol/9-unknown', 'major_differs'],
    ['rockylinux.org/rocky/9', 'rockylinux.org/rocky/10-unknown', 'major_differs'],
    ['dragonflybsd.org/dragonflybsd/6.4.0', 'dragonflybsd.org/dragonflybsd/6.4', 'match'],
    ['dragonflybsd.org/dragonflybsd/6.40', 'dragonflybsd.org/dragonflybsd/6.4', 'minor_differs'],
    ['fedoraproject.org/fedora/42', 'fedoraproject.org/fedora/unknown', 'unmappable'],
    ['fedoraproject.org/fedora/rawhide', 'fedoraproject.org/fedora/unknown', 'unmappable'],
    ['debian.org/debian/12', 'fedoraproject.org/fedora/unknown', 'distro_differs'],
  ])('%s, %s: %s', (declared, running, state) => {
    expect(driftOf(declared, running)).toBe(state);
  });
});

describe('equal classes', () => {
  test.each<[string, string, OsDriftState]>([
    ['suse.com/sles/15.6', 'suse.com/sle/15.6', 'match'],
    ['suse.com/sled/15.6', 'suse.com/sle/15.6', 'match'],
    ['suse.com/sled/15.6', 'suse.com/sles/15.6', 'match'],
    ['suse.com/sles/15.5', 'suse.com/sle/15.6', 'minor_differs'],
    ['suse.com/sle/15', 'suse.com/sle/15.6', 'minor_differs'],
    ['suse.com/sles/12', 'suse.com/sles/12.5', 'minor_differs'],
    ['suse.com/sles/12.5', 'suse.com/sle/15.6', 'major_differs'],
    ['suse.com/sle/15.7', 'suse.com/sles/16.0', 'major_differs'],
    ['suse.com/sles/12.5', 'suse.com/sled/12.5', 'distro_differs'],
    ['suse.com/sle/15.5', 'suse.com/slem/5.5', 'distro_differs'],
    ['suse.com/sle/15.6', 'opensuse.org/opensuse/15.6', 'distro_differs'],
    ['debian.org/debian/unstable', 'debian.org/debian/testing', 'match'],
    ['debian.org/debian/testing', 'debian.org/debian/testing', 'match'],
    ['debian.org/debian/12', 'debian.org/debian/testing', 'major_differs'],
    ['debian.org/debian/testing', 'debian.org/debian/13', 'major_differs'],
    ['archlinux.org/archlinux/rolling', 'archlinux.org/archlinux/rolling', 'match'],
    ['archlinux.org/archlinux/rolling', 'gentoo.org/gentoo/rolling', 'distro_differs'],
    ['fedoraproject.org/coreos/stable', 'fedoraproject.org/coreos/next', 'match'],
    ['opensuse.org/opensuse/factory', 'opensuse.org/opensuse/tumbleweed', 'match'],
    ['opensuse.org/opensuse/15.6', 'opensuse.org/opensuse/tumbleweed', 'major_differs'],
  ])('%s, %s: %s', (declared, running, state) => {
    expect(driftOf(declared, running)).toBe(state);
  });
});

test('every id of the database matches itself, unless it declares nothing', () => {
  const ids = [...SHIPPED_OSINFO.eolById.keys()];
  const odd = ids.filter((id) => {
    const state = evaluateOsDrift({ declared: id, detected: { kind: 'id', id } });
    return state !== (parseOsId(id).unknown ? 'declared_unknown' : 'match');
  });
  expect(odd).toEqual([]);
});

test('drift does not depend on the direction', () => {
  const known = [...SHIPPED_OSINFO.eolById.keys()].filter((id) => !parseOsId(id).unknown);
  fc.assert(
    fc.property(fc.constantFrom(...known), fc.constantFrom(...known), (a, b) => {
      const there = evaluateOsDrift({ declared: a, detected: { kind: 'id', id: b } });
      expect(evaluateOsDrift({ declared: b, detected: { kind: 'id', id: a } })).toBe(there);
    }),
    { numRuns: 2000 },
  );
});

test('never throws, and says one of the states', () => {
  const anyId = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.constantFrom(...SHIPPED_OSINFO.eolById.keys()),
    fc.string({ maxLength: 40 }).map((tail) => `http://suse.com/${tail}`),
  );
  const detected = fc.oneof<fc.Arbitrary<DetectedOs>[]>(
    fc.constant(UNMAPPABLE),
    fc.constant(UNAVAILABLE),
    anyId.map((id) => ({ kind: 'id', id })),
  );
  fc.assert(
    fc.property(fc.option(anyId, { nil: undefined }), detected, (declared, os) => {
      expect(OS_DRIFT_STATES).toContain(evaluateOsDrift({ declared, detected: os }));
    }),
  );
});
