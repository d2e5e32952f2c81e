import { describe, expect, test } from '@jest/globals';
import { createEndOfLifeLookup, isKnownOsId } from '../../../src/osinfo/end-of-life.ts';
import type { HostOsinfoDatabase } from '../../../src/osinfo/host-database.ts';
import { dayToEpochSeconds, type OsinfoTable } from '../../../src/osinfo/osinfo-table.ts';
import { SHIPPED_OSINFO } from '../../../src/osinfo/table.generated.ts';

const A = 'http://a.org/a/1';
const B = 'http://a.org/a/2';
const C = 'http://a.org/a/3';

type Rows = Record<string, string | null>;

function shipped(version: string, rows: Rows): OsinfoTable {
  return { version, eolById: new Map(Object.entries(rows)) };
}

function host(version: string, rows: Rows, overlay: Rows = {}, masked: string[] = []): HostOsinfoDatabase {
  return { ...shipped(version, rows), overlay: new Map(Object.entries(overlay)), masked: new Set(masked) };
}

describe('createEndOfLifeLookup', () => {
  const table = shipped('20250101', { [A]: '2025-01-01', [B]: null });

  test.each([
    ['20260101', A, '2026-06-30'],
    ['20250101', A, '2026-06-30'],
    ['20221130', A, '2025-01-01'],
    ['', A, '2025-01-01'],
    ['20260101', B, '2026-07-01'],
    ['20221130', B, undefined],
    ['20221130', C, '2020-01-01'],
    ['20260101', 'http://a.org/none', undefined],
  ])('host of %p: %s ends %p', (version, id, day) => {
    const rows = { [A]: '2026-06-30', [B]: '2026-07-01', [C]: '2020-01-01' };
    const lookup = createEndOfLifeLookup({ host: host(version, rows), shipped: table });
    expect(lookup(id)).toBe(day === undefined ? undefined : dayToEpochSeconds(day));
  });

  test('without a host database the shipped table answers', () => {
    const lookup = createEndOfLifeLookup({ host: undefined, shipped: table });
    expect(lookup(A)).toBe(Date.UTC(2025, 0, 1) / 1000);
    expect(lookup(C)).toBeUndefined();
    expect(lookup('__proto__')).toBeUndefined();
  });

  test("the administrator's entries win over any version, with and without a date", () => {
    const local = host('20000101', {}, { [A]: '2099-12-31', [B]: null }, ['a.org/a-3']);
    const lookup = createEndOfLifeLookup({
      host: local,
      shipped: shipped('20250101', { [A]: '2025-01-01', [B]: '2025-01-01', [C]: '2025-01-01' }),
    });
    expect(lookup(A)).toBe(dayToEpochSeconds('2099-12-31'));
    expect(lookup(B)).toBeUndefined();
    expect(lookup(C)).toBeUndefined();
  });

  test('a date that is none is no date', () => {
    const lookup = createEndOfLifeLookup({ host: undefined, shipped: shipped('', { [A]: '2025-13-01' }) });
    expect(lookup(A)).toBeUndefined();
  });
});

describe('isKnownOsId', () => {
  test('reads every source, and heeds what is blanked out', () => {
    const sources = {
      host: host('20200101', { [A]: null }, { [B]: null }, ['a.org/a-3']),
      shipped: shipped('20250101', { [C]: null }),
    };
    expect([A, B, C, 'http://a.org/a/4'].map((id) => isKnownOsId(id, sources))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(isKnownOsId(C, { ...sources, host: undefined })).toBe(true);
  });
});

describe('the table that ships', () => {
  const lookup = createEndOfLifeLookup({ host: undefined, shipped: SHIPPED_OSINFO });

  test.each([
    ['http://ubuntu.com/ubuntu/18.04', '2028-04-26'],
    ['http://debian.org/debian/10', '2024-06-30'],
    ['http://microsoft.com/win/2k16', '2027-01-12'],
  ])('%s ends %s', (id, day) => {
    expect(lookup(id)).toBe(dayToEpochSeconds(day));
  });

  test('is whole', () => {
    expect(SHIPPED_OSINFO.version).toMatch(/^20\d{6}$/);
    expect(SHIPPED_OSINFO.eolById.size).toBeGreaterThan(900);
    const days = [...SHIPPED_OSINFO.eolById.values()].filter((day) => day !== null);
    expect(days.length).toBeGreaterThan(700);
    expect(days.every((day) => dayToEpochSeconds(day) !== undefined)).toBe(true);
  });
});
