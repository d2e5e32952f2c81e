import { describe, expect, test } from '@jest/globals';
import { ACTIONS, type Action, contradictions, REMEDIES } from './alert-remedies.ts';
import { isAlert, readRuleGroups } from './rule-files.ts';

const alerts = (await readRuleGroups()).flatMap(({ rules }) => rules.filter(isAlert));
const onDomains = [
  ...new Set(
    alerts
      .filter(({ annotations }) => annotations.description?.includes('$labels.domain'))
      .map(({ alert }) => alert),
  ),
];
const actions = Object.keys(ACTIONS) as Action[];

/** The texts of all rules of an alert. */
const textOf = (name: string): string =>
  alerts
    .filter(({ alert }) => alert === name)
    .map(({ annotations }) => annotations.description)
    .join('\n');

describe('what alerts advise', () => {
  test('is known of every alert on a domain', () => {
    expect(onDomains.sort()).toEqual(Object.keys(REMEDIES).sort());
  });

  test.each(Object.entries(REMEDIES))('%s advises and warns as its text does', (name, remedy) => {
    const { advises = [], advisesIfSafe = [], warnsOf = [] } = remedy;
    const text = textOf(name);
    expect(actions.filter((action) => ACTIONS[action].advised.test(text)).sort()).toEqual(
      [...advises, ...advisesIfSafe].sort(),
    );
    expect(actions.filter((action) => ACTIONS[action].warned.test(text)).sort()).toEqual([...warnsOf].sort());
    expect(/domain:libvirt_domain_stop_unsafe:bool|once no alert warns of a stop/.test(text)).toBe(
      advisesIfSafe.length > 0,
    );
  });

  // test/promtool/alert-pairs.test.ts has both conditions of each pair in one domain.
  test('contradicts what another warns of only in these pairs, which never fire together', () => {
    expect(contradictions()).toHaveLength(24);
  });

  test('is never a restart by a reboot, where a full stop and start is meant', () => {
    for (const { alert, annotations } of alerts) {
      const text = (annotations.description ?? '').replaceAll(/\s+/g, ' ');
      if (/full stop and start/.test(text))
        expect(`${alert}: ${text}`).toMatch(/not a reboot|reboot .* not enough/);
    }
  });
});
