/** What an operator says of a host's CPUs, huge pages, traits and custom resources. */
import { z } from 'zod';
import { parseCpuList, formatCpuList } from './cpu-list.js';
import { ConfigError, list } from './env.js';

/** Huge pages of one size in one cell. */
export interface CellPages { readonly cell: number; readonly kib: number; readonly count: number }

/** A setting whose reader says what is wrong with it. */
const readBy = <T>(read: (text: string) => T) => z.string().transform((text, context) => {
  try {
    return read(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    return z.NEVER;
  }
});

export const cpuList = readBy(parseCpuList);

const PAGES = /^(\d{1,4}):(\d{1,10})([KMG]?):(\d{1,9})$/i;
const KIB: Readonly<Record<string, number>> = { '': 1, 'K': 1, 'M': 1024, 'G': 1024 * 1024 };

/** "0:2M:512,1:1G:4": cell, size (KiB, or with K, M, G), how many. @throws Error in words for whoever wrote it */
export function parsePages(text: string): CellPages[] {
  const pages = text.split(',').map((part) => part.trim()).filter(Boolean).map((part) => {
    const found = PAGES.exec(part);
    if (!found) throw new Error(`${JSON.stringify(part)} is not CELL:SIZE:COUNT, such as 0:2M:512`);
    return { cell: Number(found[1]), kib: Number(found[2]) * KIB[found[3]!.toUpperCase()]!, count: Number(found[4]) };
  });
  for (const { cell, kib } of pages) {
    if (kib < 16) throw new Error(`pages of ${kib} KiB are no huge pages`);
    if (pages.filter((other) => other.cell === cell && other.kib === kib).length > 1) throw new Error(`pages of ${kib} KiB in cell ${cell} are named twice`);
  }
  return pages;
}
export const cellPages = readBy(parsePages);

const CUSTOM = /^CUSTOM_[A-Z0-9_]{1,248}$/;

/** "CUSTOM_FAST_DISK,CUSTOM_RACK_7" */
export const customTraits = list.superRefine((traits, context) => {
  const wrong = traits.find((trait) => !CUSTOM.test(trait));
  if (wrong !== undefined) context.addIssue({ code: 'custom', message: `${JSON.stringify(wrong)} is not a trait of one's own: CUSTOM_ and then A-Z, 0-9 and _` });
}).transform((traits) => [...new Set(traits)].sort());

/** "CUSTOM_LICENCE=4" */
export const customResources = readBy((text) => Object.fromEntries(text.split(',').map((part) => part.trim()).filter(Boolean).map((part) => {
  const [name = '', amount = ''] = part.split('=');
  if (!CUSTOM.test(name) || !/^\d{1,9}$/.test(amount)) throw new Error(`${JSON.stringify(part)} is not CUSTOM_NAME=AMOUNT, such as CUSTOM_LICENCE=4`);
  return [name, Number(amount)] as const;
})));

/** The settings' shape, for hosts of any kind. */
export const placementShape = {
  /** CPUs over which guests float, and those that are given to single guest CPUs: kernel lists. Only dedicated said: the rest is shared. Neither: all are shared. */
  SKYLITE_CPU_SHARED: cpuList.optional(), SKYLITE_CPU_DEDICATED: cpuList.optional(),
  /** Huge pages that are not for guests. */
  SKYLITE_RESERVED_HUGE_PAGES: cellPages.default([]),
  SKYLITE_TRAITS: customTraits.default([]),
  SKYLITE_RESOURCES: customResources.default({}),
};

export interface PlacementConfig {
  /** Ascending; null: not said. */
  readonly cpus: { readonly shared: readonly number[] | null; readonly dedicated: readonly number[] | null };
  readonly reservedPages: readonly CellPages[];
  readonly traits: readonly string[];
  readonly resources: Readonly<Record<string, number>>;
}

export const NOTHING_PLACED: PlacementConfig = { cpus: { shared: null, dedicated: null }, reservedPages: [], traits: [], resources: {} };

interface Stated {
  readonly SKYLITE_CPU_SHARED?: number[] | undefined;
  readonly SKYLITE_CPU_DEDICATED?: number[] | undefined;
  readonly SKYLITE_RESERVED_HUGE_PAGES: CellPages[];
  readonly SKYLITE_TRAITS: string[];
  readonly SKYLITE_RESOURCES: Record<string, number>;
}

/** Two settings that contradict each other are refused, by name. */
export function placementOf(values: Stated): PlacementConfig {
  const { SKYLITE_CPU_SHARED: shared, SKYLITE_CPU_DEDICATED: dedicated } = values;
  const both = (shared ?? []).filter((cpu) => dedicated?.includes(cpu));
  if (both.length > 0) throw new ConfigError(`SKYLITE_CPU_SHARED and SKYLITE_CPU_DEDICATED both name CPU ${formatCpuList(both)}: a CPU is either shared or dedicated.`);
  return {
    cpus: { shared: shared ?? null, dedicated: dedicated ?? null },
    reservedPages: values.SKYLITE_RESERVED_HUGE_PAGES, traits: values.SKYLITE_TRAITS, resources: values.SKYLITE_RESOURCES,
  };
}
