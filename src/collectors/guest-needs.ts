/** What every value from inside a guest needs, in Markdown. */
export const AGENT_NEEDS =
  "libvirt's read-write socket and a running guest agent (channel `org.qemu.guest_agent.0`)";
