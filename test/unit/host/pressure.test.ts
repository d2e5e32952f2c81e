import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parsePressure } from '../../../src/host/pressure.ts';

const SOME = 'some avg10=71.46 avg60=63.99 avg300=52.33 total=4512748959';
const FULL = 'full avg10=0.00 avg60=0.00 avg300=0.00 total=109379566';

test.each([
  ['both lines', `${SOME}\n${FULL}\n`, 4_512_748_959, 109_379_566],
  ['the other order', `${FULL}\n${SOME}\n`, 4_512_748_959, 109_379_566],
  ['no line end', `${SOME}\n${FULL}`, 4_512_748_959, 109_379_566],
  ['cpu before Linux 5.13', `${SOME}\n`, 4_512_748_959, undefined],
  ['a total that is no number', `some avg10=0.00 total=x\n${FULL}\n`, undefined, 109_379_566],
  ['a negative total', `some avg10=0.00 total=-1\n${FULL}\n`, undefined, 109_379_566],
  ['a total beyond all time', `some total=99999999999999999999\n${FULL}\n`, undefined, 109_379_566],
  ['a line without a total', `some avg10=0.00\n${FULL}\n`, undefined, 109_379_566],
  ['nothing', '', undefined, undefined],
  ['an error', 'Operation not supported\n', undefined, undefined],
])('reads the totals of a file with %s', (_what, text, some, full) => {
  expect(parsePressure(text)).toEqual({ some, full });
});

test('never throws and never makes up a total', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const { some, full } = parsePressure(text);
      for (const total of [some, full]) expect(total === undefined || total >= 0).toBe(true);
    }),
  );
});
