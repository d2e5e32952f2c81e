import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { createSteps, DEMO_STEPS } from '../../../deploy/demo/steps.ts';

function printed(done = 0) {
  const lines: string[] = [];
  let now = 1_000.9;
  const steps = createSteps({
    total: 7,
    done,
    startedAt: 1_000,
    print: (text) => lines.push(text),
    now: () => now,
  });
  const pass = (seconds: number): void => {
    now += seconds;
  };
  return { steps, lines, pass };
}

test('numbers the steps and prints the seconds since the start of the run', () => {
  const { steps, lines, pass } = printed(1);
  steps.begin('installing Debian packages');
  pass(12);
  steps.begin('starting three guests');
  pass(600);
  steps.begin('waiting for alerts');
  expect(lines).toEqual([
    '[2/7   0 s] installing Debian packages',
    '[3/7  12 s] starting three guests',
    '[4/7 612 s] waiting for alerts',
  ]);
});

test('puts a note below the text of its step', () => {
  const { steps, lines } = printed();
  steps.begin('waiting');
  steps.note('firing');
  const column = (line: string | undefined, word: string): number => line?.indexOf(word) ?? -1;
  expect(column(lines[1], 'firing')).toBe(column(lines[0], 'waiting'));
});

test('names the step that failed, and when', () => {
  const { steps, pass } = printed(1);
  steps.begin('building the exporter');
  pass(30);
  expect(steps.failure()).toBe('step 2 of 7 failed after 30 s');
});

test('a clock that was set back prints no negative time', () => {
  const { steps, lines, pass } = printed();
  pass(-60);
  steps.begin('starting');
  expect(lines).toEqual(['[1/7   0 s] starting']);
});

test('the step before there is any package counts as many steps', async () => {
  const script = await readFile(new URL('../../../scripts/demo.sh', import.meta.url), 'utf8');
  expect(script).toContain(`bootstrap.mjs --step=1/${DEMO_STEPS}\n`);
});
