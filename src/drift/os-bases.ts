/**
 * From ID of os-release, lower case, to the part of the osinfo ids that all releases of that system share.
 *
 * Absent on purpose, as osinfo-db 20260716 has no entry for them: amzn, kali, linuxmint, photon, flatcar,
 * openeuler, raspbian, azurelinux, rhcos and other derivatives. Their parents' entries do not describe them.
 */
export const OSINFO_BASES: ReadonlyMap<string, string> = new Map([
  ['alpine', 'alpinelinux.org/alpinelinux'],
  ['altlinux', 'altlinux.org/alt'],
  ['anolis', 'openanolis.cn/anolis'],
  ['asianux', 'asianux.com/asianux'],
  ['circle', 'cclinux.org/circle'],
  ['cirros', 'cirros-cloud.net/cirros'],
  ['debian', 'debian.org/debian'],
  ['dragonfly', 'dragonflybsd.org/dragonflybsd'],
  ['elementary', 'elementary.io/elementary'],
  ['endless', 'endlessos.com/eos'],
  ['eurolinux', 'euro-linux.com/eurolinux'],
  ['freebsd', 'freebsd.org/freebsd'],
  ['mageia', 'mageia.org/mageia'],
  ['miraclelinux', 'miraclelinux.com/miraclelinux'],
  ['netbsd', 'netbsd.org/netbsd'],
  ['nixos', 'nixos.org/nixos'],
  ['ol', 'oracle.com/ol'],
  ['pop', 'system76.com/popos'],
  ['pureos', 'pureos.net/pureos'],
  ['rhel', 'redhat.com/rhel'],
  ['rocky', 'rockylinux.org/rocky'],
  ['scientific', 'scientificlinux.org/scientificlinux'],
  ['slackware', 'slackware.com/slackware'],
  ['solaris', 'oracle.com/solaris'],
  ['trisquel', 'trisquel.info/trisquel'],
  ['ubuntu', 'ubuntu.com/ubuntu'],
  ['ucs', 'univention.de/ucs'],
  // openSUSE Leap wrote ID=opensuse up to 42.3.
  ['opensuse', 'opensuse.org/opensuse'],
  ['opensuse-leap', 'opensuse.org/opensuse'],
  // SLE Micro: suse-microos up to 5.2, sle-micro from 5.3; sl-micro (6.0) is not in osinfo-db yet.
  ['suse-microos', 'suse.com/slem'],
  ['sle-micro', 'suse.com/slem'],
  ['sl-micro', 'suse.com/slem'],
]);

/** Rolling systems, which have one entry whatever version they write (Gentoo writes baselayout's). */
export const OSINFO_ROLLING: ReadonlyMap<string, string> = new Map([
  ['arch', 'archlinux.org/archlinux/rolling'],
  ['clear-linux-os', 'clearlinux.org/clearlinux/rolling'],
  ['gentoo', 'gentoo.org/gentoo/rolling'],
  ['manjaro', 'manjaro.org/manjaro/rolling'],
  ['opensuse-microos', 'opensuse.org/opensuse/microos'],
  ['opensuse-tumbleweed', 'opensuse.org/opensuse/tumbleweed'],
  ['solus', 'getsol.us/solus/rolling'],
  ['void', 'voidlinux.org/voidlinux/rolling'],
]);
