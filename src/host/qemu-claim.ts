/** Debian's fixed user of libvirt's QEMUs, libvirt-qemu; other distributions use one below the first ordinary user. */
const DEBIAN_LIBVIRT_QEMU = 64_055;
const FIRST_ORDINARY_USER = 1_000;

/** libvirt's cgroup of a domain: with systemd a scope, without it a directory (libvirt: src/util/vircgroup.c). */
const DOMAIN_CGROUP = /\/(?:machine-qemu\\x2d[^/]*\.scope|[^/]+\.libvirt-[a-z]+)(?:\/|$)/;
/** Users may make cgroups of any name below their own. */
const USERS_OWN = /\/user(?:\.slice|-\d+\.slice|@\d+\.service)\//;
/** Only root may make cgroups here. Seen from a cgroup namespace, the path begins with `/..`. */
const LIBVIRTS_OWN = /^(?:\/\.\.)*\/machine(?:\.slice)?\//;

/**
 * How certain it is, from the text of `/proc/PID/cgroup`, that libvirt started the process: 3 in libvirt's default
 * partition, 2 in a domain's cgroup elsewhere, 0 in no cgroup of a domain. A user without privileges cannot reach 2.
 */
export function cgroupRank(cgroupText: string): 0 | 2 | 3 {
  const paths = cgroupText
    .split('\n')
    .map((line) => /^\d+:[^:]*:(\/.*)$/.exec(line)?.[1] ?? '')
    .filter((path) => DOMAIN_CGROUP.test(path) && !USERS_OWN.test(path));
  if (paths.length === 0) return 0;
  return paths.some((path) => LIBVIRTS_OWN.test(path)) ? 3 : 2;
}

/**
 * The same from the real user of a process outside of a domain's cgroup: 1 for a system account, and for the exporter's own
 * user, whose session libvirt may be the monitored one; 0 for any other user.
 */
export function userRank(uid: number, ownUid: number | undefined): 0 | 1 {
  return uid < FIRST_ORDINARY_USER || uid === DEBIAN_LIBVIRT_QEMU || uid === ownUid ? 1 : 0;
}
