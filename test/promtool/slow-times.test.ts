import { expect, test } from '@jest/globals';
import { type ExpectedSamples, ruleComplaints } from '../support/rule-test.ts';
import { type AgentView, guestSeries, type Phase, TARGET } from '../support/simulated-guest.ts';
import { CALM_AGENT, FIRING, FROZEN, guest, type Situation } from './slow-situations.ts';

/** How soon a cause is named, and how soon it is gone. */

const CAUSE = 'domain:libvirt_domain_slow:cause';
const TIMEOUT_MS = 180_000;

const situation = (name: string): Situation => {
  const found = FIRING.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no situation ${name}`);
  return found;
};
/** The last phase of a situation, for that many minutes. */
function trouble(name: string, minutes: number, vcpus = 2): Phase {
  const last = situation(name).phases(vcpus).at(-1);
  if (last === undefined) throw new Error(`${name} has no phases`);
  return { ...last, minutes };
}
const named = (domain: string, cause: string) => [
  { labels: { __name__: CAUSE, ...TARGET, domain, cause }, value: 1 },
];

/** The guest while it was well, seen as well as in its trouble. */
function calmLike({ agent, balloonSwap, balloonBytes, gauges }: Phase, minutes: number): Phase {
  const seen = Object.entries(CALM_AGENT).filter(([key]) => agent?.[key as keyof AgentView] !== undefined);
  return guest(2, minutes, {
    agent: agent === undefined ? undefined : Object.fromEntries(seen),
    balloonSwap: balloonSwap === undefined ? undefined : 0,
    balloonBytes: balloonBytes && { current: balloonBytes.maximum, maximum: balloonBytes.maximum },
    ...(gauges?.[FROZEN] === undefined ? {} : { agent: CALM_AGENT }),
  });
}

/** Those whose trouble is one phase, whatever was before. */
const SUDDEN = FIRING.filter(({ name }) => !/-then-silent$/.test(name));

test.each([
  // The load average confirms a wait after 42 s, so a fourth evaluation would be too late, and a second too early.
  ['15 s', 15, 3],
  ['a minute', 60, 3],
])(
  'a cause is named at the third evaluation, %s apart, and is over five minutes after its cure',
  async (_apart, stepSeconds, evaluations) => {
    const series: Record<string, string> = {};
    const samples: ExpectedSamples[] = [];
    for (const { name, cause = '', phases: phasesOf } of SUDDEN) {
      const domain = `cured-${name}`;
      const sick = trouble(name, 9);
      const [first] = phasesOf(2);
      const before = name === 'job' && first !== undefined ? first : calmLike(sick, 6);
      Object.assign(
        series,
        guestSeries({ domain, phases: [before, sick, { ...before, minutes: 9 }] }, stepSeconds),
      );
      const onset = before.minutes;
      samples.push(
        {
          expr: `${CAUSE}{domain="${domain}"}`,
          minute: onset + (evaluations * stepSeconds) / 60,
          samples: named(domain, cause),
        },
        { expr: `${CAUSE}{domain="${domain}"}`, minute: onset + 9 + 5, samples: [] },
      );
    }
    expect(samples.length).toBeGreaterThan(2 * 30);
    expect(await ruleComplaints({ stepSeconds, series, samples })).toBe('');
  },
  TIMEOUT_MS,
);
