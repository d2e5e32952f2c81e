import { closeConnection, openConnection } from '../libvirt/connect.ts';
import type { LibvirtTransportError } from '../libvirt/errors.ts';
import { qemuDomainAgentCommand } from '../libvirt/procedures/agent.ts';
import type { RpcConnection } from '../libvirt/rpc-connection.ts';
import type { DomainRef } from '../libvirt/types.ts';
import type { LibvirtTarget } from '../libvirt/uri.ts';

/** What libvirt may need beside the agent's own time: 30 s for the agent lock, twice 5 s to get in step. */
const LIBVIRT_OVERHEAD_MS = 45_000;

export interface AgentClientOptions {
  readonly target: LibvirtTarget;
  /** Deadline of connecting, in milliseconds. */
  readonly timeoutMs: number;
  readonly onClose: (reason: LibvirtTransportError) => void;
  readonly onCallSent: (procedure: string) => void;
}

/**
 * A read-write connection that carries commands to guest agents and nothing else: a guest that keeps its
 * calls waiting takes no place from the inventory's connection.
 */
export class AgentClient {
  readonly #connection: RpcConnection;

  private constructor(connection: RpcConnection) {
    this.#connection = connection;
  }

  /** @throws LibvirtTransportError or LibvirtServerError when there is no way in */
  static async connect(options: AgentClientOptions): Promise<AgentClient> {
    const { target, timeoutMs, onClose, onCallSent } = options;
    const connection = await openConnection({
      socketPaths: target.readWriteSockets,
      connectName: target.connectName,
      readOnly: false,
      timeoutMs,
      onClose,
      onCallSent,
      onEvent: () => undefined,
    });
    return new AgentClient(connection);
  }

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  /**
   * Sends one command, as JSON text, and returns the agent's reply as it is: a guest wrote it.
   * @throws LibvirtServerError when the agent, or libvirt on its behalf, answers with an error
   * @throws LibvirtTransportError when libvirt gives no answer
   */
  async command(domain: DomainRef, command: string, timeoutSeconds: number): Promise<string> {
    const callTimeoutMs = timeoutSeconds * 1000 + LIBVIRT_OVERHEAD_MS;
    const args = { domain, command, timeoutSeconds };
    return (await this.#connection.call(qemuDomainAgentCommand, args, callTimeoutMs)) ?? '';
  }

  close(): Promise<void> {
    return closeConnection(this.#connection);
  }
}
