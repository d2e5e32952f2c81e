import { afterEach } from '@jest/globals';
import { afterHandshake, type CallHandler, type FakeLibvirtd, startFakeLibvirtd } from './fake-libvirtd.ts';

const cleanUps: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Runs `cleanUp` at the end of the test, before what was registered earlier. */
export function atTestEnd(cleanUp: () => Promise<void>): void {
  cleanUps.push(cleanUp);
}

/** Starts a fake daemon that is stopped at the end of the test. */
export async function daemonWith(handler: CallHandler): Promise<FakeLibvirtd> {
  const daemon = await startFakeLibvirtd(handler);
  atTestEnd(daemon.stop);
  return daemon;
}

/** Accepts clients, and answers all other calls with a version: 7.2.22. */
export const answerVersion = afterHandshake((call) => call.reply(Buffer.from('00000000006ad7a6', 'hex')));
