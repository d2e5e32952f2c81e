import { CONFIG_ADVICE, configAdvice } from '../drift/config-advice.ts';
import type { Collector } from '../metrics/collector.ts';
import { addSample, gauge, newFamily } from '../metrics/metric-family.ts';

const ADVICE = gauge(
  'libvirt_domain_config_advice',
  'Setting of the domain that can make its guest slow, or leave values of the guest unseen: 1 where it applies, absent ' +
    'otherwise. No reason to act by itself.',
  ['domain', 'advice'],
  { values: { advice: CONFIG_ADVICE } },
);

export const configAdviceCollector: Collector = {
  name: 'config-advice',
  help: 'settings of each domain that can make its guest slow',
  enabledByDefault: true,
  families: [ADVICE],
  collect: ({ domains }) => {
    const advice = newFamily(ADVICE);
    for (const { name, current, guest } of domains) {
      if (current === undefined) continue;
      for (const applies of configAdvice(current, guest?.sample?.os))
        addSample(advice, { domain: name, advice: applies }, 1);
    }
    return [advice];
  },
};
