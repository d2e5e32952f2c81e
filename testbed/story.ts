import { waitForAgent } from './agent.ts';
import { rigDomainNames } from './clean-up.ts';
import { RIG_PREFIX } from './domain-xml.ts';
import { defineGuest, runGuest } from './domains.ts';
import { linuxGuest } from './linux-guest.ts';

export interface Story {
  /** An old machine type, a wrong declared OS, and too little memory: slow because it swaps. */
  readonly node1: string;
  /** The newest machine type, the right declared OS, enough memory. */
  readonly node2: string;
  /** Shut off, with a machine type of 2018. */
  readonly legacy: string;
}

const STORY_PREFIX = `${RIG_PREFIX}story`;
const AGENT_MS = 60_000;

function storyNames(prefix = STORY_PREFIX): Story {
  return { node1: `${prefix}-node1`, node2: `${prefix}-node2`, legacy: `${prefix}-legacy` };
}

/**
 * Starts those of the three guests that do not run, and waits for their agents. Starts none after the signal.
 */
export async function startStory(prefix = STORY_PREFIX, signal?: AbortSignal): Promise<Story> {
  const names = storyNames(prefix);
  const legacy = await linuxGuest({
    name: names.legacy,
    os: 'ubuntu-16.04',
    declaredOs: 'http://ubuntu.com/ubuntu/16.04',
    machine: 'pc-i440fx-2.11',
  });
  const node1 = await linuxGuest({
    name: names.node1,
    os: 'ubuntu-20.04',
    declaredOs: 'http://ubuntu.com/ubuntu/18.04',
    machine: 'pc-q35-3.1',
    memoryMiB: 176,
    vcpus: 2,
    swap: 'thrash',
    swapMiB: 256,
    diskBytesPerSec: 4_000_000,
    balloonPeriodSeconds: 5,
    kubelet: true,
  });
  const node2 = await linuxGuest({
    name: names.node2,
    os: 'ubuntu-20.04',
    declaredOs: 'http://ubuntu.com/ubuntu/20.04',
    machine: 'q35',
    vcpus: 2,
    balloonPeriodSeconds: 5,
    kubelet: true,
  });
  signal?.throwIfAborted();
  await defineGuest(legacy);
  const running = await rigDomainNames(prefix, '--state-running');
  for (const guest of [node1, node2]) {
    signal?.throwIfAborted();
    if (!running.includes(guest.name)) await runGuest(guest);
  }
  await Promise.all([names.node1, names.node2].map((name) => waitForAgent(name, AGENT_MS, signal)));
  return names;
}
