/** One thing that the doctor looked at: is it well, and if not, what cures it. */
export interface Finding { part: string; ok: boolean; detail: string; cure?: string }
