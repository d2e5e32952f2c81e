import { describe, expect, test } from '@jest/globals';
import { writeEnd, writeFamily } from '../../../src/metrics/exposition.ts';
import {
  counter,
  gauge,
  info,
  type MetricFamily,
  newFamily,
  stateSet,
} from '../../../src/metrics/metric-family.ts';
import { textOf } from './text.ts';

const rendered = (family: MetricFamily): string => textOf((out) => writeFamily(out, family));

function renderedLabel(value: string): string {
  const family = newFamily(gauge('m', 'h', ['l']));
  family.samples.push({ labels: { l: value }, value: 1 });
  return rendered(family).split('\n').slice(2).join('\n');
}

describe('writeFamily', () => {
  test('help, kind, and one line a sample', () => {
    const family = newFamily(counter('libvirt_things_total', 'Things seen.', ['domain', 'kind']));
    family.samples.push(
      { labels: { domain: 'a', kind: 'x' }, value: 1 },
      { labels: { domain: 'b', kind: '' }, value: 2.5 },
    );
    expect(rendered(family)).toBe(
      '# HELP libvirt_things_total Things seen.\n' +
        '# TYPE libvirt_things_total counter\n' +
        'libvirt_things_total{domain="a",kind="x"} 1\n' +
        'libvirt_things_total{domain="b",kind=""} 2.5\n',
    );
  });

  test('in OpenMetrics a counter is titled without _total, and quotes in the help are escaped', () => {
    const family = newFamily(counter('libvirt_things_total', 'Things "seen".', []));
    family.samples.push({ labels: {}, value: 1 });
    expect(textOf((out) => writeFamily(out, family, 'openmetrics'))).toBe(
      '# HELP libvirt_things Things \\"seen\\".\n# TYPE libvirt_things counter\nlibvirt_things_total 1\n',
    );
    expect(textOf((out) => writeEnd(out, 'openmetrics'))).toBe('# EOF\n');
    expect(textOf((out) => writeEnd(out, 'text'))).toBe('');
  });

  test('a sample without labels has no braces', () => {
    const family = newFamily(gauge('libvirt_up', 'Up.', []));
    family.samples.push({ labels: {}, value: 1 });
    expect(rendered(family)).toBe('# HELP libvirt_up Up.\n# TYPE libvirt_up gauge\nlibvirt_up 1\n');
  });

  test.each(['text', 'openmetrics'] as const)('info metrics and state sets are gauges in %s', (format) => {
    for (const spec of [info('x', 'X.', []), stateSet('x', 'X.', [])]) {
      const family = newFamily(spec);
      family.samples.push({ labels: {}, value: 1 });
      expect(textOf((out) => writeFamily(out, family, format))).toContain('# TYPE x gauge\n');
    }
  });

  test('a family without samples is not there at all', () => {
    expect(rendered(newFamily(gauge('libvirt_none', 'None.', [])))).toBe('');
  });

  test.each([
    ['say "hi"', 'm{l="say \\"hi\\""} 1\n'],
    ['C:\\path\\', 'm{l="C:\\\\path\\\\"} 1\n'],
    ['a\nb', 'm{l="a\\nb"} 1\n'],
    ['\\n is not a newline', 'm{l="\\\\n is not a newline"} 1\n'],
    ['"} 1\nevil 1', 'm{l="\\"} 1\\nevil 1"} 1\n'],
    ['emoji 😀 and ß', 'm{l="emoji 😀 and ß"} 1\n'],
    ['{a="b",c}', 'm{l="{a=\\"b\\",c}"} 1\n'],
    [' blanks ', 'm{l=" blanks "} 1\n'],
    ['x'.repeat(200), `m{l="${'x'.repeat(200)}"} 1\n`],
    ['😀'.repeat(200), `m{l="${'😀'.repeat(200)}"} 1\n`],
  ])('the label value %j', (value, line) => {
    expect(renderedLabel(value)).toBe(line);
  });

  test('help is escaped, quotes excepted', () => {
    const family = newFamily(gauge('m', 'one\ntwo \\ "three"', []));
    family.samples.push({ labels: {}, value: 0 });
    expect(rendered(family).split('\n')[0]).toBe('# HELP m one\\ntwo \\\\ "three"');
  });

  test.each([
    [0, '0'],
    [-0, '0'],
    [1, '1'],
    [-1.5, '-1.5'],
    [1_700_000_000.123, '1700000000.123'],
    [2 ** 53, '9007199254740992'],
    [1e21, '1e+21'],
    [1e-7, '1e-7'],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, '+Inf'],
    [Number.NEGATIVE_INFINITY, '-Inf'],
  ])('the value %d is written %s', (value, text) => {
    const family = newFamily(gauge('m', 'h', ['l']));
    family.samples.push({ labels: {}, value });
    expect(rendered(family)).toBe(`# HELP m h\n# TYPE m gauge\nm ${text}\n`);
  });
});
