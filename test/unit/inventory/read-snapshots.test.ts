import { expect, test } from '@jest/globals';
import { readSnapshots } from '../../../src/inventory/read-snapshots.ts';
import { LibvirtServerError, LibvirtTransportError } from '../../../src/libvirt/errors.ts';

const DOMAIN = { uuid: 'u', name: 'vm', id: -1 };

function client(count: number, roots: readonly string[]) {
  const calls: string[] = [];
  return {
    calls,
    snapshotCount: async () => count,
    rootSnapshots: async () => roots.map((name) => ({ name, domain: DOMAIN })),
    snapshotXml: async ({ name }: { name: string }) => {
      calls.push(name);
      return `<domainsnapshot><name>${name}</name><creationTime>${name}</creationTime></domainsnapshot>`;
    },
  };
}

test('a domain without snapshots costs one call', async () => {
  const none = client(0, ['1']);
  expect(await readSnapshots(none, DOMAIN)).toEqual({ count: 0, oldestSeconds: undefined });
  expect(none.calls).toEqual([]);
});

test('the oldest is among those without a parent', async () => {
  expect(await readSnapshots(client(9, ['1700000500', '1700000000']), DOMAIN)).toEqual({
    count: 9,
    oldestSeconds: 1_700_000_000,
  });
});

test('a time that is none counts as unknown, and the number of documents is bounded', async () => {
  expect(await readSnapshots(client(1, ['x']), DOMAIN)).toEqual({ count: 1, oldestSeconds: undefined });
  const many = client(
    500,
    Array.from({ length: 500 }, (_, index) => String(1_700_000_000 + index)),
  );
  await readSnapshots(many, DOMAIN);
  expect(many.calls).toHaveLength(16);
});

test('an error of libvirt means unknown, a lost connection ends the read', async () => {
  const failing = (error: Error) => ({ ...client(0, []), snapshotCount: () => Promise.reject(error) });
  expect(await readSnapshots(failing(new LibvirtServerError(3, 10, 'no support')), DOMAIN)).toBeUndefined();
  const lost = new LibvirtTransportError('ERR_LIBVIRT_CLOSED', 'lost');
  await expect(readSnapshots(failing(lost), DOMAIN)).rejects.toBe(lost);
});
