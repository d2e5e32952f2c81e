import { expect, test } from '@jest/globals';
import { pino } from 'pino';
import { GuestSession } from '../../../src/guest/guest-session.ts';
import { targetOf } from '../../support/fake-libvirtd.ts';

function setUp(isLibvirtUp: () => boolean) {
  const warnings: unknown[] = [];
  const session = new GuestSession({
    target: targetOf('/nonexistent/sock'),
    timeoutMs: 1_000,
    onCallSent: () => undefined,
    isLibvirtUp,
    log: pino({ level: 'warn' }, { write: (line: string) => warnings.push(line) }),
  });
  return { session, warnings };
}

test('no way in while libvirt answers is a refusal: one warning, not tried again for a while', async () => {
  const { session, warnings } = setUp(() => true);
  for (let attempt = 0; attempt < 3; attempt++) {
    await expect(session.connected()).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CONNECT' });
  }
  expect(session.isRefused).toBe(true);
  expect(warnings).toHaveLength(1);
  session.retry();
  expect(session.isRefused).toBe(false);
});

test('while libvirt is away nothing is refused, and nothing is said', async () => {
  const { session, warnings } = setUp(() => false);
  await expect(session.connected()).rejects.toMatchObject({ code: 'ERR_LIBVIRT_CONNECT' });
  expect(session.isRefused).toBe(false);
  expect(warnings).toEqual([]);
});
