/** A refusal that only HTTP has (405, 415, 416): it has a status, and no kind that could cross another wall. */
export class HttpError extends Error {
  /** @param message the public text. @param headers further headers of the answer. */
  constructor(readonly status: number, message: string, readonly headers: Record<string, string> = {}) {
    super(message);
    this.name = 'HttpError';
  }
}
