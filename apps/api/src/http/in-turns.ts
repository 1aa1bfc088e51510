/**
 * Long texts made piece by piece: each piece in a turn of the event loop of its own, and never pieces of two texts in one turn.
 * However many long answers are under way, a short request waits for one piece of one of them. Owns the queue; nothing is kept
 * once a text is made.
 */
let last: Promise<void> = Promise.resolve();
const nextTurn = (): Promise<void> => (last = last.then(() => new Promise<void>((go) => { setImmediate(go); })));

/** All pieces as one text in UTF-8: bytes are sent as they are, a text is copied twice more on its way. */
export async function inTurns(pieces: Iterable<string>): Promise<Buffer> {
  const made: string[] = [];
  for (const piece of pieces) {
    made.push(piece);
    // A short piece (the frame, a short list) is not worth a turn.
    if (piece.length > SHORT) await nextTurn();
  }
  return Buffer.from(made.join(''));
}

const SHORT = 16_384;
