// The order under way, kept until it is answered: who loads the page again sends the same one.

const NAME = 'invshop.order';

/**
 * The order under way of one key holder: under another's key the same id would be another
 * order. It is kept as long as this tab lives, so that none of another day is placed by surprise.
 */
export class Kept {
  #holder;

  constructor(holder) {
    this.#holder = holder;
  }

  /** What was sent and is not answered; null where there is nothing. */
  get() {
    const kept = JSON.parse(sessionStorage.getItem(NAME));
    return kept?.holder === this.#holder ? kept.order : null;
  }

  keep(order) {
    sessionStorage.setItem(NAME, JSON.stringify({ holder: this.#holder, order }));
  }

  drop() {
    if (this.get()) sessionStorage.removeItem(NAME);
  }
}
