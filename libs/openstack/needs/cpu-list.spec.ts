import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ascending, parseCpuList } from './cpu-list.js';

const cpusOf = (text: string): number[] | string => {
  const list = parseCpuList(text);
  return 'cpus' in list ? ascending(list.cpus) : list.problem;
};

describe('lists of CPUs', () => {
  it.each<[string, number[]]>([
    ['0', [0]], ['0-3,^2', [0, 1, 3]], ['^2,0-3', [0, 1, 3]], ['1, 3 - 4', [1, 3, 4]], ['0-7,^2-5', [0, 1, 6, 7]], ['4,,5,', [4, 5]], ['', []], ['^1', []],
  ])('%s', (text, cpus) => expect(cpusOf(text)).toEqual(cpus));

  it.each([
    ['3-1', "Invalid range expression '3-1'"], ['1-', "Invalid range expression '1-'"], ['a', "Invalid inclusion expression 'a'"], ['^x', "Invalid exclusion expression '^x'"],
    ['0-4294967295', 'CPU number 4294967295 is larger than max 4095'],
  ])('%s is refused', (text, why) => expect(cpusOf(text)).toBe(why));

  it('is what is in less what is out, whatever the order', () => {
    const rule = fc.record({ out: fc.boolean(), from: fc.nat(40), more: fc.option(fc.nat(9), { nil: null }) });
    fc.assert(fc.property(fc.array(rule, { maxLength: 8 }), (rules) => {
      const text = rules.map(({ out, from, more }) => `${out ? '^' : ''}${from}${more === null ? '' : `-${from + more}`}`).join(',');
      const named = (out: boolean, cpu: number): boolean => rules.some((each) => each.out === out && cpu >= each.from && cpu <= each.from + (each.more ?? 0));
      expect(cpusOf(text)).toEqual(Array.from({ length: 60 }, (_, cpu) => cpu).filter((cpu) => named(false, cpu) && !named(true, cpu)));
    }));
  });
});
