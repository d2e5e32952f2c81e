import { describe, expect, test } from '@jest/globals';
import { groupingLabelsIn, metricsIn } from '../../support/promql.ts';

describe('the metrics of a query', () => {
  test.each<[string, [string, string[]][]]>([
    ['libvirt_up', [['libvirt_up', []]]],
    ['libvirt_up{job="a", instance=~"b.*"} == 0', [['libvirt_up', ['job', 'instance']]]],
    [
      'sum by (job) (rate(a_total{mode="x"}[5m])) / on (domain) b:c:rate5m',
      [
        ['a_total', ['mode']],
        ['b:c:rate5m', []],
      ],
    ],
    ['{__name__="a_total", mode="x"}', [['a_total', ['mode']]]],
    ['max_over_time((a{b="}"} > 1)[1h:5m]) offset 1d', [['a', ['b']]]],
    ['vector(0.2)', []],
  ])('%s', (query, expected) => {
    expect(metricsIn(query)).toEqual(expected.map(([name, labels]) => ({ name, labels })));
  });

  test.each([
    'rate(a{job=~"$job"}[$__rate_interval])',
    `rate(a{job=~"\${job:regex}"}[\${__rate_interval}])`,
    'rate(a{job="x"}[$window])',
    'topk($limit, a{job="[[job]]"})',
    'max_over_time(a{job="x"}[$__range:$__interval])',
    'max_over_time(a{job="x"}[1h:$step])',
    'a{job="x"} offset $before',
  ])('with the variables of Grafana filled in: %s', (query) => {
    expect(metricsIn(query)).toEqual([{ name: 'a', labels: ['job'] }]);
  });

  test.each(['rate(a[5m)', 'a{b=}', 'sum by (a', '{job="a"}', '{__name__=~"a.*"}'])(
    'not told: %s',
    (query) => {
      expect(() => metricsIn(query)).toThrow();
    },
  );
});

test('the labels a query groups by and joins on', () => {
  const query = 'sum by (a, b) (x) * on (c) group_left (d) count without (e) (y{f="g"})';
  expect(groupingLabelsIn(query)).toEqual(['a', 'b', 'c', 'd', 'e']);
});
