/**
 * Looks after what goes on longer than its request was asked for: uploads, downloads, long answers. Each ends when its login is
 * taken away, within the promise that holds for requests. A token's own end ends nothing that began before.
 * Asks nobody by itself; holds what runs in this process and nothing else, so a crash here ends all of it.
 */
import type { SkyError } from '#libs/errors';
import { TOKEN_LIMITS } from './limits.js';
import type { Login, TokenVerifier } from './token-verifier.js';

/** The login by which something runs. */
export interface Watched {
  /** Aborted, with the reason as a SkyError, once the login is taken away. */
  readonly signal: AbortSignal;
  /** Before what was done becomes lasting. @throws SkyError `unauthorized`; `unavailable` while nobody can say. */
  assertGood(): Promise<void>;
  /** It is over: nobody looks any more. */
  release(): void;
}

export interface WatchOptions {
  /** It ends also when nobody could say for TOKEN_LIMITS.goesOnMs: for what gives something away while it runs. */
  endsUnanswered: boolean;
}

export class LoginWatch {
  readonly #running = new Map<AbortController, { login: Login; options: WatchOptions }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly verifier: Pick<TokenVerifier, 'whyOver' | 'assertNotOver'>) {}

  watch(login: Login, options: WatchOptions): Watched {
    const controller = new AbortController();
    this.#running.set(controller, { login, options });
    this.#timer ??= setInterval(() => this.#look(), TOKEN_LIMITS.watchMs).unref();
    return {
      signal: controller.signal,
      assertGood: () => this.verifier.assertNotOver(login),
      release: () => { this.#release(controller); },
    };
  }

  #look(): void {
    for (const [controller, { login, options }] of this.#running) {
      const why: SkyError | undefined = this.verifier.whyOver(login, options.endsUnanswered ? TOKEN_LIMITS.goesOnMs : Infinity);
      if (why === undefined) continue;
      this.#release(controller);
      controller.abort(why);
    }
  }

  #release(controller: AbortController): void {
    this.#running.delete(controller);
    if (this.#running.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
