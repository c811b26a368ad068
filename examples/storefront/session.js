// Asks invshopd, with a token that ends after minutes and is asked for anew then.

import { Pauses, wait } from './pauses.js';

/** What the token may do: no more than this page does. */
const SCOPE = 'stock:read orders:read orders:place events:read';
/** How long an answer may take. */
const ANSWER_MS = 15_000;
/** A token that ends sooner than this is not begun with. */
const TOKEN_LEFT_MS = 20_000;
/** Answers of a daemon that is busy or ends, and of a proxy that finds none. */
const PASSING = [408, 429, 502, 503, 504];

const PLAIN = { cache: 'no-store', credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer' };

/** An answer that says no. */
export class Refused extends Error {
  constructor(response, problem) {
    super(problem.detail ?? problem.error_description ?? `the server answered ${response.status}`);
    this.status = response.status;
    this.problem = problem;
    this.code = problem.code;
    this.retryMs = 1000 * (Number(response.headers.get('Retry-After')) || 0);
  }

  /** Whether the same may be answered otherwise in a moment. */
  get isPassing() {
    return PASSING.includes(this.status);
  }

  /** Whether it says what becomes of what was asked: no fault of the server, and no closed door. */
  get isFinal() {
    return this.status < 500 && ![401, 403].includes(this.status) && !this.isPassing;
  }

  static async of(response) {
    // A proxy on the way answers with a page.
    return new Refused(response, await response.json().catch(() => ({})));
  }
}

export class Session {
  #base;
  #client;
  #token = null;
  #asked = null;

  /** Of a server, with a key's id and its secret. */
  constructor(base, id, secret) {
    this.#base = base;
    this.#client = { client_id: id, client_secret: secret };
  }

  /** Forgets the token: the next question asks for another. */
  forget() {
    this.#token = null;
  }

  /** The answer to a question, as it begins to come. A token that is not taken is renewed once. */
  async open(path, options, signal) {
    for (let isSecond = false; ; isSecond = true) {
      const token = await this.#bearer(signal);
      const headers = { ...options.headers, Authorization: `Bearer ${token}` };
      const response = await fetch(this.#base + path, { ...PLAIN, ...options, headers, signal });
      if (response.ok) return response;
      const refused = await Refused.of(response);
      if (refused.status !== 401 || isSecond) throw refused;
      if (this.#token?.text === token) this.forget();
    }
  }

  /**
   * The document that is answered. Everything this page asks for may be asked again: what
   * reads changes nothing, and an order has its id. So it is, until there is an answer.
   * `onPause` hears why there is none yet.
   */
  async call(path, options, { signal, onPause = () => {} }) {
    const pauses = new Pauses();
    for (;;) {
      try {
        const soon = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
        return await (await this.open(path, options, soon)).json();
      } catch (error) {
        if (signal.aborted || (error instanceof Refused && !error.isPassing)) throw error;
        onPause(error);
        await wait(pauses.next(error.retryMs), signal);
        signal.throwIfAborted();
      }
    }
  }

  /** The token; whoever needs one while it is asked for waits for the same. */
  async #bearer(signal) {
    if (this.#token && performance.now() < this.#token.until) return this.#token.text;
    this.#asked ??= this.#ask(signal).finally(() => (this.#asked = null));
    return this.#asked;
  }

  async #ask(signal) {
    const body = new URLSearchParams({ grant_type: 'client_credentials', scope: SCOPE, ...this.#client });
    const response = await fetch(`${this.#base}/oauth/token`, { ...PLAIN, method: 'POST', body, signal });
    if (!response.ok) throw await Refused.of(response);
    const { access_token: text, expires_in: seconds } = await response.json();
    // One that is short from the start is used for half of its time.
    const lasts = Math.max(1000 * seconds - TOKEN_LEFT_MS, 500 * seconds);
    this.#token = { text, until: performance.now() + lasts };
    return text;
  }
}
