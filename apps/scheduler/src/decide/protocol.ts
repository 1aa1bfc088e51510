/**
 * Which protocol two sides speak: the highest that both know. Pure.
 */
export interface ProtocolRange { min: number; max: number }

/** null: they have none in common. */
export function negotiate(ours: ProtocolRange, theirs: ProtocolRange): number | null {
  const highest = Math.min(ours.max, theirs.max);
  return highest >= Math.max(ours.min, theirs.min) ? highest : null;
}

const range = ({ min, max }: ProtocolRange): string => (min === max ? `${min}` : `${min} to ${max}`);

/** What to say when there is none: both ranges, and which side to upgrade. */
export function noCommonProtocol(ours: ProtocolRange, theirs: ProtocolRange): string {
  const older = theirs.max < ours.min ? 'Upgrade the agent.' : 'Upgrade the control plane first, then its agents.';
  return `The agent speaks protocol ${range(theirs)}, this control plane ${range(ours)}: they have none in common. ${older}`;
}
