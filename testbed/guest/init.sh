#!/bin/sh
# First process of the rig's guests. The kernel command line sets what the guest does:
#   rig.os=ubuntu-20.04          which file of /rig/os-release becomes /etc/os-release
#   rig.hostname=NAME
#   rig.swap=none|idle|thrash    swap on the first virtio disk; thrash: more memory in use than there is
#   rig.agent=qemu-ga|none|silent|filtered|old|hostile
#   rig.hostile=MODE             what a hostile agent does, see agents/hostile
#   rig.agent-log=1              log the real agent's requests to the console; the scripts always log theirs
#   rig.data=1                   a file system on the first virtio disk, instead of swap
#   rig.kubelet=1                a kubelet's configuration

/bin/busybox mkdir -p /proc /sys /dev /run /tmp /var /etc /sbin /usr/bin /usr/sbin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs -o size=8m run /run
/bin/busybox ln -s /run /var/run
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/sbin

os=debian-12 hostname=rig swap=none agent=qemu-ga hostile='' agent_log=0 data=0 kubelet=0
for word in $(cat /proc/cmdline); do
  case $word in
    rig.os=*) os=${word#*=} ;;
    rig.hostname=*) hostname=${word#*=} ;;
    rig.swap=*) swap=${word#*=} ;;
    rig.agent=*) agent=${word#*=} ;;
    rig.hostile=*) hostile=${word#*=} ;;
    rig.agent-log=*) agent_log=${word#*=} ;;
    rig.data=*) data=${word#*=} ;;
    rig.kubelet=*) kubelet=${word#*=} ;;
  esac
done

say() {
  echo "rig: $*" >/dev/console
}

# The build lists modules in the order of their dependencies.
while read -r module; do
  insmod "/rig/modules/$module" || say "module $module did not load"
done </rig/modules/order

hostname "$hostname"
echo "$hostname" >/etc/hostname
cp "/rig/os-release/$os" /etc/os-release || say "no os-release for $os"
ip link set lo up

if [ "$kubelet" = 1 ]; then
  mkdir -p /etc/kubernetes /var/lib/kubelet
  cp /rig/kubelet.conf /etc/kubernetes/kubelet.conf
  cp /rig/kubelet-config.yaml /var/lib/kubelet/config.yaml
fi

# Waits until the command $2 succeeds: a device appears some time after its driver is loaded.
await() {
  tries=100
  until eval "$2"; do
    tries=$((tries - 1))
    if [ $tries -le 0 ]; then
      say "no $1"
      return 1
    fi
    usleep 50000
  done
}

agent_port() {
  for port in /sys/class/virtio-ports/*; do
    if [ "$(cat "$port/name" 2>/dev/null)" = org.qemu.guest_agent.0 ]; then
      echo "/dev/${port##*/}"
      return
    fi
  done
}

start_agent() {
  await 'agent port' '[ -n "$(agent_port)" ]' || return
  port=$(agent_port)
  mkdir -p /dev/virtio-ports
  ln -sf "$port" /dev/virtio-ports/org.qemu.guest_agent.0
  # An agent that ends is restarted, as by an init system.
  case $agent in
    none) ;;
    qemu-ga) respawn real_agent ;;
    # What Red Hat's distributions block by default.
    filtered) respawn real_agent --block-rpcs="$file_commands" ;;
    # Answers like an agent from before guest-get-cpustats (QEMU 7.1) and guest-get-load (10.0).
    old) respawn real_agent --block-rpcs=guest-get-cpustats,guest-get-diskstats,guest-get-load ;;
    # The others are scripts: silent, hostile.
    *) if [ -x "/rig/agents/$agent" ]; then
      respawn "/rig/agents/$agent" "$port" "$hostile"
    else
      say "no agent called $agent"
    fi ;;
  esac
}
file_commands=guest-file-open,guest-file-close,guest-file-read,guest-file-write,guest-file-seek
file_commands=$file_commands,guest-file-flush,guest-exec,guest-exec-status

real_agent() {
  if [ "$agent_log" = 1 ]; then
    # qemu-ga logs what it reads, and nothing while the file systems are frozen.
    qemu-ga -v -m virtio-serial -p "$port" "$@" 2>&1 |
      awk 'sub(/^.*read data, count: [0-9]+, data: /, "") { print "rig: agent got " $0; fflush() }' >/dev/console
  else
    qemu-ga -m virtio-serial -p "$port" "$@"
  fi
}

respawn() {
  (
    while :; do
      # The kernel does not kill the agent when memory is short.
      echo -1000 >/proc/self/oom_score_adj
      "$@" >/run/agent.log 2>&1 </dev/null
      sleep 1
    done
  ) &
}

swap_on() {
  await 'swap disk' '[ -b /dev/vda ]' || return
  mkswap /dev/vda >/dev/null && swapon /dev/vda && say 'swap is on'
}

# A file system on a disk, which guest-get-fsinfo lists and which can be frozen.
data_on() {
  await 'data disk' '[ -b /dev/vda ]' || return
  mkdir -p /data
  mke2fs /dev/vda >/dev/null && mount -t ext4 /dev/vda /data && say 'data is on'
}

# Writes and reads more than the memory holds, until /run/calm exists.
thrash() {
  mkdir -p /thrash
  mount -t tmpfs -o size=190m thrash /thrash
  while [ ! -e /run/calm ]; do
    dd if=/dev/zero of=/thrash/file bs=1M count=150 2>/dev/null
    cat /thrash/file >/dev/null
  done
  rm -f /thrash/file
}

[ "$data" = 1 ] && data_on
start_agent
case $swap in
  none) ;;
  idle) swap_on ;;
  thrash) swap_on && { thrash & } ;;
  *) say "no such swap: $swap" ;;
esac
say "up after $(cut -d' ' -f1 /proc/uptime) s: os=$os swap=$swap agent=$agent${hostile:+ hostile=$hostile}"

# The first process must not end, and it reaps orphaned processes.
while :; do
  wait
  sleep 3600
done
