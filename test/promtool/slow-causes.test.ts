import { describe, expect, test } from '@jest/globals';
import { type ExpectedSamples, ruleComplaints } from '../support/rule-test.ts';
import { guestSeries, TARGET } from '../support/simulated-guest.ts';
import { COMBINED, FIRING, HEALTHY, type Situation } from './slow-situations.ts';

const SIZES = [1, 2, 8, 32];
const CAUSE = 'domain:libvirt_domain_slow:cause';
const TIMEOUT_MS = 180_000;

/** Complaints about the causes recorded in the last minutes of each situation. */
async function complaints(
  situations: readonly Situation[],
  sizes: readonly number[],
  stepSeconds: number,
): Promise<string> {
  const series: Record<string, string> = {};
  const samples: ExpectedSamples[] = [];
  for (const { name, cause, phases: phasesOf, withoutStatsTime } of situations) {
    for (const vcpus of sizes) {
      const domain = `${name}-${vcpus}`;
      const phases = phasesOf(vcpus);
      Object.assign(series, guestSeries({ domain, phases, withoutStatsTime }, stepSeconds));
      const end = phases.reduce((sum, { minutes }) => sum + minutes, 0);
      const labels = { ...TARGET, domain };
      for (const minute of [end - 3, end - 1])
        samples.push({
          expr: `${CAUSE}{domain="${domain}"}`,
          minute,
          samples: cause === undefined ? [] : [{ labels: { __name__: CAUSE, ...labels, cause }, value: 1 }],
        });
    }
  }
  return ruleComplaints({ stepSeconds, series, samples });
}

const CASES = [
  ['a cause each', FIRING],
  ['several at once', COMBINED],
  ['healthy', HEALTHY],
] as const;

describe('the cause that is recorded, at 1, 2, 8 and 32 vCPUs', () => {
  test.each(CASES)(
    '%s, one scrape a minute',
    async (_name, situations) => {
      expect(await complaints(situations, SIZES, 60)).toBe('');
    },
    TIMEOUT_MS,
  );

  test.each(CASES)(
    '%s, four scrapes a minute',
    async (_name, situations) => {
      expect(await complaints(situations, [2], 15)).toBe('');
    },
    TIMEOUT_MS,
  );
});
