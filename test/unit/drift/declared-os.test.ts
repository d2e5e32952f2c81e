import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseOsId } from '../../../src/drift/declared-os.ts';
import { SHIPPED_OSINFO } from '../../../src/osinfo/table.generated.ts';

function brief(uri: string): string {
  const { vendorDomain, distro, version, major, minor, unknown, rolling } = parseOsId(uri);
  return [vendorDomain, distro, version, major, minor, unknown ? 'unknown' : rolling ? 'rolling' : ''].join(
    '|',
  );
}

describe('parseOsId', () => {
  test.each([
    ['http://ubuntu.com/ubuntu/20.04', 'ubuntu.com|ubuntu|20.04|20.04||'],
    ['http://debian.org/debian/12', 'debian.org|debian|12|12||'],
    ['http://debian.org/debian/1.3', 'debian.org|debian|1.3|1|3|'],
    ['http://debian.org/debian/testing', 'debian.org|debian|testing|||rolling'],
    ['http://redhat.com/rhel/9.4', 'redhat.com|rhel|9.4|9|4|'],
    ['http://redhat.com/rhel/8-unknown', 'redhat.com|rhel|8-unknown|8||unknown'],
    ['http://centos.org/centos-stream/9', 'centos.org|centos-stream|9|9||'],
    ['http://alpinelinux.org/alpinelinux/3.22', 'alpinelinux.org|alpinelinux|3.22|3.22||'],
    ['http://nixos.org/nixos/24.05', 'nixos.org|nixos|24.05|24.05||'],
    ['http://opensuse.org/opensuse/42.3', 'opensuse.org|opensuse|42.3|42.3||'],
    ['http://opensuse.org/opensuse/15.6', 'opensuse.org|opensuse|15.6|15|6|'],
    ['http://opensuse.org/opensuse/tumbleweed', 'opensuse.org|opensuse|tumbleweed|||rolling'],
    ['http://suse.com/sle/15', 'suse.com|sle|15|15||'],
    ['http://fedoraproject.org/silverblue/40', 'fedoraproject.org|silverblue|40|40||'],
    ['http://fedoraproject.org/fedora/rawhide', 'fedoraproject.org|fedora|rawhide|||rolling'],
    ['http://archlinux.org/archlinux/rolling', 'archlinux.org|archlinux|rolling|||rolling'],
    ['http://microsoft.com/win/2k16', 'microsoft.com|win|2k16|2k16||'],
    ['http://microsoft.com/win/2k12r2', 'microsoft.com|win|2k12r2|2k12r2||'],
    ['http://microsoft.com/win/10', 'microsoft.com|win|10|10||'],
    ['http://microsoft.com/win/vista', 'microsoft.com|win|vista|vista||'],
    ['http://freebsd.org/freebsd/13.0', 'freebsd.org|freebsd|13.0|13|0|'],
    ['http://opensuse.org/opensuse/unknown', 'opensuse.org|opensuse|unknown|||unknown'],
    ['http://libosinfo.org/unknown', 'libosinfo.org|unknown||||unknown'],
    ['http://libosinfo.org/linux/2022', 'libosinfo.org|linux|2022|2022||unknown'],
    ['https://example.org/a/b/1.2', 'example.org|a/b|1.2|1|2|'],
  ])('%s', (uri, expected) => {
    expect(brief(uri)).toBe(expected);
  });

  test.each(['', 'ubuntu20.04', 'http://', 'http://ubuntu.com', 'urn:x:y', `http://a/b/${'1'.repeat(300)}`])(
    '%p is no id',
    (uri) => {
      expect(brief(uri)).toBe('|||||');
    },
  );

  test('every id that ships has a vendor and a distribution, and a version, but one', () => {
    const ids = [...SHIPPED_OSINFO.eolById.keys()];
    expect(ids.filter((id) => parseOsId(id).version === '')).toEqual(['http://libosinfo.org/unknown']);
    const undecided = ids.map(parseOsId).filter((os) => os.major === '' && !os.unknown && !os.rolling);
    expect(undecided).toEqual([]);
  });

  test('never throws, and returns no more than it was given', () => {
    const likely = fc.string({ maxLength: 300 }).map((tail) => `http://vendor.org/${tail}`);
    fc.assert(
      fc.property(fc.oneof(fc.string(), likely), (uri) => {
        const { vendorDomain, distro, version, major, minor } = parseOsId(uri);
        expect(vendorDomain.length + distro.length + version.length).toBeLessThanOrEqual(uri.length);
        expect(major.length + minor.length).toBeLessThanOrEqual(version.length);
      }),
    );
  });
});
