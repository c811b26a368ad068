// Pauses between attempts.

/** Pauses that grow, and that no two pages make alike: after a restart not all come at once. */
export class Pauses {
  #attempts = 0;

  constructor(least = 500, most = 15_000) {
    this.least = least;
    this.most = most;
  }

  /** The next pause in milliseconds, and not less than was asked for. */
  next(asked = 0) {
    const longest = Math.min(this.most, this.least * 2 ** this.#attempts);
    this.#attempts += 1;
    return asked + longest * (0.5 + Math.random() / 2);
  }

  /** It worked: the next pause is a short one again. */
  reset() {
    this.#attempts = 0;
  }
}

/** Waits so many milliseconds; less where the network comes back or it is given up. */
export function wait(ms, signal) {
  return new Promise((resolve) => {
    const over = new AbortController();
    const done = () => {
      clearTimeout(timer);
      over.abort();
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener('online', done, { signal: over.signal });
    signal.addEventListener('abort', done, { signal: over.signal });
    if (signal.aborted) done();
  });
}
