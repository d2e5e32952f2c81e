import { describe, expect, test } from '@jest/globals';
import { lineOf, readPages } from './pages.ts';

type Word = readonly [found: RegExp, use: string];

/**
 * Words that a libvirt, Prometheus or Node engineer has to translate, with the field's own. They are looked for in prose
 * and in each part of a name: `lateCalls` and `LATE_MS` hold the word "late", `latest` does not.
 */
const WORDS: readonly Word[] = [
  [/\bask(?:s|ed|er|ing)?\b/, 'fetch, query, send'],
  [/\btold\b|\btell(?:s|ing)?\b/, 'return, report, say'],
  [/\bpatien(?:t|ce|tly)\b/, 'timeout'],
  [/\blanes?\b/, 'connection'],
  [/\bpending calls?\b/, 'call pool'],
  [/\bplaces\b|\b(?:its|free|taken) place\b|\bin place of\b/, 'slot, probe schedule, instead of'],
  [/\bheld worker\b|\btake a worker\b/, 'acquire, lease'],
  [/\bstrained\b|\bcareful(?:ly)?\b/, 'saturated'],
  [/\breadings\b|\b(?:a|the|this|last|next|one|no|each|every) reading\b/, 'sample, result'],
  [/\bseen start\b/, 'observed start'],
  [/\boutcomes?\b|\btake (?:proof|answers)\b/, 'result, recordReliability, applyResult'],
  [/\bjudg(?:e|es|ed|ing|e?ments?)\b/, 'evaluate'],
  [/\bverdicts?\b/, 'result'],
  [/\bculprits?\b|\bsuspect(?:s|ed)?\b|\baccus(?:e|es|ed|ing)\b/, 'hung domain'],
  [/\bsets? aside\b|\bsetting aside\b/, 'quarantine'],
  [/\b(?:takes?|taken|took)(?: it| them| \w+)? back\b/, 'resume, withdraw'],
  [/\blate\b|\boverdue\b/, 'timed out, unresponsive'],
  [/\bgather(?:s|ed|ing)?\b|\bfacts\b/, 'take a snapshot, snapshot'],
  [/\bnext in line\b|\bprobation\b/, 'pickNext, trust window'],
  [/\bkick(?:s|ed|ing)?\b/, 'request a probe'],
  [/\bquiet until\b/, 'rate limited until'],
  [/\boffer(?:s|ed|ing)?\b/, 'support, have'],
  [/\bhand made\b|\baged out\b/, 'policy exception, expired'],
];

/** Names as a whole. */
const NAMES: readonly Word[] = [
  [/\w(?:Reading)s?\b/, 'DomainStats, GuestSample, CpuTimes …'],
  [/\b(?:runKey|RunKey|runOf)\b/, 'domainRunId'],
  [/\bstartIsCertain\b/, 'startObserved'],
  [/\bmissing\.ts\b/, 'unavailable-reason.ts'],
  [/\bQuestion\b/, 'Input'],
  [/\bflag\(|\blabelText\b/, 'boolToNumber, sanitizeLabel'],
  [/\bisForward\b/, 'expedited'],
  [/\b(?:keepHeapSmall|createPause)\b/, 'limitHeapGrowth, createYield'],
];

const pages = (
  await Promise.all([
    readPages('README.md', '.md'),
    readPages('CHANGELOG.md', '.md'),
    readPages('CONTRIBUTING.md', '.md'),
    readPages('docs', '.md'),
    readPages('deploy', '.md'),
    readPages('src', '.ts'),
  ])
)
  .flat()
  .filter(({ path }) => !path.endsWith('.generated.ts'));

/** Parts of names as words of their own; lines stay. */
function splitNames(text: string): string {
  return text.replaceAll(/(?<=[a-z0-9])(?=[A-Z])|[_-]/g, ' ');
}

function findIn(text: string): { line: number; found: string; use: string }[] {
  const search = (words: readonly Word[], where: string, flags: string) =>
    words.flatMap(([{ source }, use]) =>
      // Prose is wrapped, in a comment with a star at the beginning of each line.
      [...where.matchAll(new RegExp(source.replaceAll(' ', '[\\s*/]+'), flags))].map(
        ({ 0: found, index }) => ({
          line: lineOf(where, index),
          found: found.replaceAll(/[\s*/]+/g, ' '),
          use,
        }),
      ),
    );
  const all = [...search(WORDS, splitNames(text), 'gi'), ...search(NAMES, text, 'g')];
  return all.sort((a, b) => a.line - b.line);
}

describe('the list', () => {
  test.each([
    'later, latest, template, translate, plate, isolated, latestMachine, LATEST',
    'task, tasks, mask, unmasked, basket, taskId',
    'replace, replaced, placement, a place in the list, placeholder',
    'read, reader, reading the log, Reading a command line',
    'planes, together, factory, kickstart, satellite, intelligent, suspended, income',
    'each --web.config flag; boolFlag(x); a question of time; seen at the start',
  ])('lets through: %s', (text) => {
    expect(findIn(text)).toEqual([]);
  });

  test.each([
    ['is asked\nagain', 1, 'asked'],
    ['/**\n * A domain is set\n * aside.\n */', 2, 'set aside'],
    ['first\nconst lateCalls = 1', 2, 'late'],
    ['const LATE_MS = 1;', 1, 'LATE'],
    ['markLate()', 1, 'Late'],
    ['in set-aside.ts', 1, 'set aside'],
    ['type DomainReading = 1', 1, 'nReading'],
    ['the last reading', 1, 'last reading'],
    ['took them back', 1, 'took them back'],
    ['isSuspect', 1, 'Suspect'],
  ])('finds in %j', (text, line, found) => {
    expect(findIn(text)).toMatchObject([{ line, found }]);
  });
});

test('names and prose use the words of the field', () => {
  const found = pages.flatMap(({ path, text }) =>
    findIn(text).map((each) => `${path}:${each.line}: "${each.found}": use ${each.use}`),
  );
  expect(found).toEqual([]);
});
