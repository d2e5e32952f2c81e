import { Program } from '../frame.ts';
import { type DomainRef, readString, writeDomain } from '../types.ts';
import type { Procedure } from './procedure.ts';

/**
 * Sends a command to the guest's agent and returns its reply, both JSON (libvirt: src/remote/qemu_protocol.x). Needs the
 * read-write socket. `timeoutSeconds` limits the time of the agent's answer. Before that, libvirt may wait 30 s for the
 * domain's agent lock and 5 s for the agent's guest-sync.
 */
export const qemuDomainAgentCommand: Procedure<
  { domain: DomainRef; command: string; timeoutSeconds: number },
  string | undefined
> = {
  program: Program.qemu,
  number: 3,
  name: 'QEMU_DOMAIN_AGENT_COMMAND',
  priority: 'low',
  encode: (out, { domain, command, timeoutSeconds }) => {
    writeDomain(out, domain);
    out.string(command).int(timeoutSeconds).uint(0);
  },
  decode: (reply) => reply.optional(() => readString(reply)),
};
