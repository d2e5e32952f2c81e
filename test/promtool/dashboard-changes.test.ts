import { describe, expect, test } from '@jest/globals';
import { booted, changedLabel, changedSize, newTime } from '../../grafana/src/changes.ts';
import { fillVariables } from '../support/dashboard-queries.ts';
import { promqlComplaints } from '../support/promtool.ts';

interface Story {
  readonly expression: string;
  /** Labels without job, instance and domain, to values: one a minute, in promtool's notation. */
  readonly series: Readonly<Record<string, string>>;
  readonly minutes: number;
  /** At which minutes there is a mark, with which labels on top of job, instance and domain. */
  readonly marks: Readonly<Record<number, Readonly<Record<string, string>>>>;
  /** The step of Grafana's query, in minutes. */
  readonly step?: number;
}

const TARGET = 'job="libvirt",instance="host1:9177",domain="node1"';

function labels(more: Readonly<Record<string, string>>): string {
  const own = Object.entries(more).map(([name, value]) => `${name}="${value}"`);
  return `{${[TARGET, ...own].join(',')}}`;
}

/** Evaluates at every step and says what promtool has against the expected marks; empty when all is as expected. */
function complaints({ expression, series, minutes, marks, step = 1 }: Story): Promise<string> {
  const times = Array.from({ length: Math.floor(minutes / step) + 1 }, (_, index) => index * step);
  const expr = fillVariables(expression, { __interval: `${step}m` });
  const ofTarget = Object.entries(series).map(([name, values]) => {
    const named = name.includes('{') ? name.replace('{', `{${TARGET},`) : `${name}{${TARGET}}`;
    return [named, values] as const;
  });
  return promqlComplaints(
    Object.fromEntries(ofTarget),
    times.map((minute) => ({
      expr,
      minute,
      samples: marks[minute] === undefined ? [] : [{ labels: labels(marks[minute]), value: 1 }],
    })),
  );
}

describe('a label that changes', () => {
  const expression = changedLabel('mt', 'machine');
  const old = 'mt{machine="q35-3.1",latest="q35-5.2"}';
  const next = 'mt{machine="q35-5.2",latest="q35-5.2"}';
  const mark = { machine: 'q35-5.2', was: 'q35-3.1' };

  test('is marked once, with what it was', async () => {
    const series = { [old]: '1x9 stale', [next]: '_x10 1x20' };
    expect(await complaints({ expression, series, minutes: 30, marks: { 10: mark } })).toBe('');
  });

  test('is marked once at a coarse zoom too', async () => {
    const series = { [old]: '1x11 stale', [next]: '_x12 1x60' };
    expect(await complaints({ expression, series, minutes: 60, step: 10, marks: { 20: mark } })).toBe('');
  });

  test('is marked when data is back, where it changed during an outage of an hour', async () => {
    const series = { [old]: '1x9 stale', [next]: '_x70 1x20' };
    expect(await complaints({ expression, series, minutes: 85, marks: { 70: mark } })).toBe('');
  });

  test('is marked again when it changes back', async () => {
    const series = { [old]: '1x9 stale _x9 1x20', [next]: '_x10 1x9 stale' };
    const back = { machine: 'q35-3.1', was: 'q35-5.2' };
    expect(await complaints({ expression, series, minutes: 35, marks: { 10: mark, 20: back } })).toBe('');
  });

  test('is not marked when it first appears, comes back unchanged, or another label changes', async () => {
    const first = { [old]: '_x9 1x9 stale _x20 1x10' };
    expect(await complaints({ expression, series: first, minutes: 50, marks: {} })).toBe('');
    const newer = 'mt{machine="q35-3.1",latest="q35-7.2"}';
    const upgrade = { [old]: '1x9 stale', [newer]: '_x10 1x20' };
    expect(await complaints({ expression, series: upgrade, minutes: 30, marks: {} })).toBe('');
  });

  test('is marked once where the old series is not marked stale', async () => {
    const series = { [old]: '1x9', [next]: '_x10 1x20' };
    expect(await complaints({ expression, series, minutes: 30, marks: { 10: mark } })).toBe('');
  });
});

describe('a time that moves', () => {
  const expression = newTime('started');

  test('is marked once when the domain was started again', async () => {
    const series = { started: '-5000x9 -200x20' };
    expect(await complaints({ expression, series, minutes: 30, marks: { 10: {} } })).toBe('');
  });

  test('is marked when a domain that was off is on again', async () => {
    const series = { started: '-5000x9 stale _x29 2400x10' };
    expect(await complaints({ expression, series, minutes: 45, marks: { 40: {} } })).toBe('');
  });

  test('is marked when a domain never seen has just begun, and not when it has long been running', async () => {
    const born = { started: '_x20 1200x20' };
    expect(await complaints({ expression, series: born, minutes: 35, marks: { 20: {} } })).toBe('');
    const found = { started: '_x20 -5000x20' };
    expect(await complaints({ expression, series: found, minutes: 35, marks: {} })).toBe('');
  });

  test('is not marked by a restart of the exporter, or a clock that is set by seconds', async () => {
    const restart = { started: '-5000x9 stale _x5 -5000x20' };
    expect(await complaints({ expression, series: restart, minutes: 35, marks: {} })).toBe('');
    const jitter = { started: '-5000x9 -4999x5 -5001x5 -4990x10' };
    expect(await complaints({ expression, series: jitter, minutes: 30, marks: {} })).toBe('');
  });
});

describe('a guest that boots', () => {
  const expression = booted('boot', 'cpu');
  const idle = 'cpu{mode="idle"}';
  const user = 'cpu{mode="user"}';

  test('is marked once, when its counters have begun anew', async () => {
    const series = { boot: '-5000x9 400x20', [idle]: '1000+60x9 5+60x20', [user]: '70+1x9 0+1x20' };
    expect(await complaints({ expression, series, minutes: 30, marks: { 10: {} } })).toBe('');
  });

  test('is not marked when only its clock was set, after it was suspended', async () => {
    const series = { boot: '-5000x9 -4700x20', [idle]: '1000+60x30', [user]: '70+1x30' };
    expect(await complaints({ expression, series, minutes: 30, marks: {} })).toBe('');
  });

  test('is marked when it was never seen before', async () => {
    const series = { boot: '_x20 1100x20', [idle]: '_x20 5+60x20', [user]: '_x20 1+1x20' };
    expect(await complaints({ expression, series, minutes: 35, marks: { 20: {} } })).toBe('');
  });
});

describe('a size that changes', () => {
  const expression = changedSize('swap');

  test('is marked when it is turned off, turned on and resized', async () => {
    const series = { swap: '256x9 0x9 256x9 512x10' };
    const marks = { 10: { change: 'turned off' }, 20: { change: 'turned on' }, 30: { change: 'resized' } };
    expect(await complaints({ expression, series, minutes: 40, marks })).toBe('');
  });

  test('is marked when data is back after a reboot without swap', async () => {
    const series = { swap: '256x9 stale _x9 0x20' };
    expect(
      await complaints({ expression, series, minutes: 40, marks: { 20: { change: 'turned off' } } }),
    ).toBe('');
  });

  test('is not marked when it comes back unchanged, or first appears', async () => {
    const series = { swap: '_x4 256x9 stale _x9 256x20' };
    expect(await complaints({ expression, series, minutes: 40, marks: {} })).toBe('');
  });
});
