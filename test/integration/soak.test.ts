import { afterAll, expect, test } from '@jest/globals';
import { cleanUp } from '../../testbed/clean-up.ts';
import { growth, soak } from '../soak/soak.ts';

const PREFIX = 'rig-test-soak-';
const SECONDS = 45;

afterAll(() => cleanUp(PREFIX), 120_000);

test(
  'scrapes on end, with domains stopping and starting, make nothing grow',
  async () => {
    const result = await soak({ seconds: SECONDS, everyMs: 100, domains: 6, prefix: PREFIX });
    expect(growth(result)).toEqual([]);
    // Enough for the means to say something; how many there are depends on how long libvirt takes to start domains.
    expect(result.scrapes).toBeGreaterThan(20);
    expect(result.restarts).toBeGreaterThan(3);
    expect(result.exitCode).toBe(0);
  },
  4 * 60_000,
);
