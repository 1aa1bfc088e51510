import { describe, expect, it } from '@jest/globals';

interface File { name: string; status: string; message?: string; assertionResults: { status: string; fullName: string; failureMessages?: string[] }[] }
interface Report { numRuntimeErrorTestSuites?: number; testResults: File[] }
interface Rescued { file: string; tests: string[]; message: string }
interface Run { status: number | null; report: Report | undefined }
const { countsOf, joined, sayRescued, SECOND_LOOKS, toLookAtAgain, withSecondLook } = (await import('./jest-reports.mjs' as string)) as {
  countsOf(report: Report, status: number | null): { passed: number; failed: number; skipped: number };
  joined(runs: Run[]): Run;
  sayRescued(rescued: Rescued, root: string): string;
  SECOND_LOOKS: number;
  toLookAtAgain(report: Report): string[];
  withSecondLook(report: Report, name: string, second: Report | undefined): { report: Report; rescued: Rescued | undefined };
};

/** A file by its tests: `+` passed, `-` failed, `?` skipped; none with `broken`: it did not load. */
const file = (name: string, tests: string, broken = false): File => {
  const status = { '+': 'passed', '-': 'failed', '?': 'pending' } as Record<string, string>;
  const assertionResults = [...tests].map((sign, at) => ({ status: status[sign]!, fullName: `${name} ${at}`, failureMessages: sign === '-' ? [`Error: ${name} ${at} is wrong\n    at x`] : [] }));
  return { name, status: broken || tests.includes('-') ? 'failed' : 'passed', message: broken ? 'SyntaxError' : '', assertionResults };
};
const report = (...files: File[]): Report => ({ numRuntimeErrorTestSuites: files.filter(({ message }) => message !== '').length, testResults: files });

describe('the parts of a stage', () => {
  it('are as one run: failed when one is, without a report when one has none', () => {
    const [good, bad] = [report(file('a', '++')), report(file('b', '+-'), file('c', '', true))];
    expect(joined([{ status: 0, report: good }, { status: 0, report: report(file('d', '+')) }])).toEqual({ status: 0, report: report(file('a', '++'), file('d', '+')) });
    const both = joined([{ status: 0, report: good }, { status: 1, report: bad }]);
    expect(both).toEqual({ status: 1, report: report(file('a', '++'), file('b', '+-'), file('c', '', true)) });
    expect(countsOf(both.report!, both.status)).toEqual({ passed: 3, failed: 2, skipped: 0 });
    // One that a signal ended has no exit code.
    expect(joined([{ status: 0, report: good }, { status: null, report: undefined }])).toEqual({ status: null, report: undefined });
  });
});

describe('the counts of a stage', () => {
  it('are its tests; what failed outside of a test is one', () => {
    expect(countsOf(report(file('a', '++?'), file('b', '+-')), 1)).toEqual({ passed: 3, failed: 1, skipped: 1 });
    expect(countsOf(report(file('a', '+'), file('b', '', true)), 1)).toEqual({ passed: 1, failed: 1, skipped: 0 });
    expect(countsOf({ testResults: [{ ...file('a', '+'), status: 'failed' }] }, 1)).toEqual({ passed: 1, failed: 1, skipped: 0 });
    expect(countsOf(report(file('a', '+')), 1)).toEqual({ passed: 1, failed: 1, skipped: 0 });
    expect(countsOf(report(file('a', '+')), 0)).toEqual({ passed: 1, failed: 0, skipped: 0 });
  });
});

describe('a second look', () => {
  it('is taken at a few failed files, at none when more failed', () => {
    expect(toLookAtAgain(report(file('a', '+'), file('b', '-'), file('c', '', true)))).toEqual(['b', 'c']);
    const many = Array.from({ length: SECOND_LOOKS + 1 }, (_, at) => file(`f${at}`, '-'));
    expect(toLookAtAgain(report(...many.slice(1)))).toHaveLength(SECOND_LOOKS);
    expect(toLookAtAgain(report(...many))).toEqual([]);
  });

  it('makes failed tests passed ones, and names them with what was wrong', () => {
    const first = report(file('/r/a', '+'), file('/r/b', '+-?-'));
    const { report: merged, rescued } = withSecondLook(first, '/r/b', report(file('/r/b', '++?+')));
    expect(countsOf(merged, 0)).toEqual({ passed: 4, failed: 0, skipped: 1 });
    expect(rescued).toEqual({ file: '/r/b', tests: ['/r/b 1', '/r/b 3'], message: 'Error: /r/b 1 is wrong\n    at x' });
    expect(sayRescued(rescued!, '/r').split('\n').slice(0, 2)).toEqual(['passed only when run again: b: /r/b 1; /r/b 3', '    Error: /r/b 1 is wrong']);
  });

  it('counts a file that did not load the first time', () => {
    const { report: merged, rescued } = withSecondLook(report(file('a', '+'), file('b', '', true)), 'b', report(file('b', '++')));
    expect(countsOf(merged, 0)).toEqual({ passed: 3, failed: 0, skipped: 0 });
    expect(rescued).toEqual({ file: 'b', tests: ['(the file itself)'], message: 'SyntaxError' });
  });

  it.each<[string, Report | undefined]>([
    ['the same test failed again', report(file('b', '+-'))],
    ['another one failed', report(file('b', '-+'))],
    ['tests are missing', report(file('b', '+'))],
    ['tests were skipped', report(file('b', '+?'))],
    ['it did not load', report(file('b', '', true))],
    ['it has no test', report(file('b', ''))],
    ['the file was not run', report(file('c', '++'))],
    ['jest said nothing', undefined],
  ])('changes nothing when %s', (_, second) => {
    const first = report(file('a', '+'), file('b', '+-'));
    expect(withSecondLook(first, 'b', second)).toEqual({ report: first, rescued: undefined });
  });
});
