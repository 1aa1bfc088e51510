/** Small grammar of the explanations. Pure. */
export const hostsAre = (count: number): string => (count === 1 ? '1 host is' : `${count} hosts are`);
export const hostsHave = (count: number): string => (count === 1 ? '1 host has' : `${count} hosts have`);
