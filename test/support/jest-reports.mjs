/**
 * What jest reports of a stage, as the counts that `npm test` prints, and what a second look at a failed file changes of them.
 * Pure: takes the parsed `--json` reports, gives plain values.
 *
 * @typedef {{ status: string; fullName: string; failureMessages?: (string | null)[] | null }} Test
 * @typedef {{ name: string; status: string; message?: string; assertionResults: Test[] }} File `name` is its absolute path
 * @typedef {{ numRuntimeErrorTestSuites?: number; testResults: File[] }} Report
 * @typedef {{ passed: number; failed: number; skipped: number }} Counts
 * @typedef {{ file: string; tests: string[]; message: string }} Rescued tests that passed only when run again, and what failed first
 */

/** More failed files than this are no bad moment of the machine: they stay failed. */
export const SECOND_LOOKS = 5;

/** A file that did not even load, or failed outside of its tests, has no failed test in it: it counts as one. */
const outside = (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed');
const having = (file, status) => file.assertionResults.filter((test) => test.status === status);

/** @param {Report} report @param {number | null} status jest's exit code @returns {Counts} */
export function countsOf(report, status) {
  const sum = (count) => report.testResults.reduce((all, file) => all + count(file), 0);
  const failedTests = sum((file) => having(file, 'failed').length);
  const lost = Math.max(report.testResults.filter(outside).length, report.numRuntimeErrorTestSuites ?? 0, status !== 0 && failedTests === 0 ? 1 : 0);
  return { passed: sum((file) => having(file, 'passed').length), failed: failedTests + lost, skipped: sum((file) => having(file, 'pending').length) };
}

/**
 * The parts that a stage was run in, as one run: it failed when one of them did, and has no report when one has none.
 * @param {{ status: number | null; report: Report | undefined }[]} runs @returns {{ status: number | null; report: Report | undefined }}
 */
export function joined(runs) {
  const bad = runs.find(({ status }) => status !== 0);
  const reports = runs.map(({ report }) => report);
  return {
    status: bad === undefined ? 0 : bad.status,
    report: reports.includes(undefined) ? undefined : {
      numRuntimeErrorTestSuites: reports.reduce((all, { numRuntimeErrorTestSuites = 0 }) => all + numRuntimeErrorTestSuites, 0),
      testResults: reports.flatMap(({ testResults }) => testResults),
    },
  };
}

/** The files of a stage that get a second look. @param {Report} report @returns {string[]} none when too many failed, or none did */
export function toLookAtAgain(report) {
  const files = report.testResults.filter((file) => file.status === 'failed').map((file) => file.name);
  return files.length > SECOND_LOOKS ? [] : files;
}

/**
 * The stage's report with a file's second one in place of its first, when the second run lost no test of the first: a file that
 * loads again with fewer tests proves nothing about those that are missing.
 * @param {Report} report @param {string} name the file @param {Report | undefined} second its report alone; undefined when jest gave none
 * @returns {{ report: Report; rescued: Rescued | undefined }}
 */
export function withSecondLook(report, name, second) {
  const [first, again] = [report, second].map((from) => from?.testResults.find((file) => file.name === name));
  if (!first || !again || again.status === 'failed') return { report, rescued: undefined };
  const passed = new Set(having(again, 'passed').map(({ fullName }) => fullName));
  const mustPass = first.assertionResults.filter(({ status }) => status === 'failed' || status === 'passed');
  if (passed.size === 0 || mustPass.some(({ fullName }) => !passed.has(fullName))) return { report, rescued: undefined };
  const failed = having(first, 'failed');
  const message = failed[0]?.failureMessages?.find((text) => text) ?? first.message ?? '';
  const broken = outside(first) ? 1 : 0;
  return {
    report: { ...report, numRuntimeErrorTestSuites: Math.max(0, (report.numRuntimeErrorTestSuites ?? 0) - broken), testResults: report.testResults.map((file) => (file === first ? again : file)) },
    rescued: { file: name, tests: failed.length > 0 ? failed.map(({ fullName }) => fullName) : ['(the file itself)'], message },
  };
}

/** What is printed of one, at once and before the closing line. @param {Rescued} rescued @param {string} root folder that names are shown relative to */
export function sayRescued({ file, tests, message }, root) {
  const shown = file.startsWith(`${root}/`) ? file.slice(root.length + 1) : file;
  return `passed only when run again: ${shown}: ${tests.join('; ')}\n${message.trim().split('\n').filter((line) => !/^\s+at .*(node_modules\/|node:)/.test(line)).slice(0, 12).map((line) => `    ${line}`).join('\n')}\n`;
}
