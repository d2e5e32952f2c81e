import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { preferredFormat } from '../../../src/web/negotiate.ts';

/** As Prometheus 2.42 and 3.5 send it. */
const PROMETHEUS_2 =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
const PROMETHEUS_3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1';

test.each([
  [undefined, 'text'],
  ['', 'text'],
  ['*/*', 'text'],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text'],
  ['text/plain', 'text'],
  ['application/json', 'text'],
  [PROMETHEUS_2, 'openmetrics'],
  [PROMETHEUS_3, 'openmetrics'],
  ['application/openmetrics-text', 'openmetrics'],
  ['Application/OpenMetrics-Text ; Version=1.0.0', 'openmetrics'],
  ['application/openmetrics-text;version=2.0.0', 'text'],
  ['application/openmetrics-text;q=0', 'text'],
  ['application/openmetrics-text;q=nonsense', 'text'],
  ['application/openmetrics-text;q=0.2,text/plain;q=0.9', 'text'],
])('%s: %s', (accept, format) => {
  expect(preferredFormat(accept)).toBe(format);
});

test('any header is answered', () => {
  fc.assert(
    fc.property(fc.string(), (accept) => {
      expect(['text', 'openmetrics']).toContain(preferredFormat(accept));
    }),
  );
});
