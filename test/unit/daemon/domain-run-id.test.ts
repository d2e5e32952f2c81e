import { expect, test } from '@jest/globals';
import { domainRunId, domainRunIds, keepOnlyRuns } from '../../../src/daemon/domain-run-id.ts';
import { fakeUuid } from '../../support/fake-hypervisor.ts';

const run = (number: number, id: number) => ({ uuid: fakeUuid(number), id });
const RUNS = [run(1, 1), run(2, 2), run(3, 3)];
/** The second domain has ended, the third has been started again. */
const RUNNING = [run(1, 1), run(3, 4), run(5, 5)];

test('of a Set, the runs that are over are removed', () => {
  const known = new Set(domainRunIds(RUNS));
  keepOnlyRuns(known, domainRunIds(RUNNING));
  expect([...known]).toEqual([domainRunId(run(1, 1))]);
});

test('of a Map, the runs that are over are removed with their values', () => {
  const known = new Map(RUNS.map((each) => [domainRunId(each), each.id]));
  keepOnlyRuns(known, domainRunIds(RUNNING));
  expect([...known]).toEqual([[domainRunId(run(1, 1)), 1]]);
});

test('where no domain runs, nothing is left', () => {
  const known = new Set(domainRunIds(RUNS));
  keepOnlyRuns(known, domainRunIds([]));
  expect(known.size).toBe(0);
});
