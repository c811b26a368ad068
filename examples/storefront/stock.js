// What is known of items, and what events change of it.

/**
 * Items by SKU. A number is not read again for each event: events carry what may be promised
 * of a level, one location of an item, and a version by which the newer of two is known.
 */
export class Stock {
  #items = new Map();
  /** Locations that are known to serve orders: of others nothing is promised. */
  #serving = new Set();
  /** Sets of SKUs that are being read. */
  #awaited = new Set();

  get(sku) {
    return this.#items.get(sku);
  }

  /** Forgets everything; the SKUs that were known. */
  clear() {
    const skus = [...this.#items.keys()];
    this.#items.clear();
    this.#serving.clear();
    return skus;
  }

  remove(sku) {
    this.#items.delete(sku);
  }

  /**
   * SKUs that are being read: what happens to one that is not here yet may be newer than
   * what is read. Returns what ends it.
   */
  awaits(skus) {
    const wait = new Set(skus);
    this.#awaited.add(wait);
    return () => this.#awaited.delete(wait);
  }

  /**
   * Takes an item as it was read, and what events told of it meanwhile. `asked` is the newest
   * entry of the journal that was heard of when it was asked for: what is read knows it. Answers
   * may overtake each other, and what is known is never taken back by an older one.
   */
  put(read, asked) {
    const known = this.#items.get(read.sku);
    if (known && (read.version < known.version || asked < known.asked)) return known;
    const item = {
      sku: read.sku,
      title: read.title,
      price: read.price,
      version: read.version,
      asked,
      available: read.available_to_promise,
      levels: new Map(read.levels.map((one) => [one.location, level(one)])),
    };
    // Of a bundle the levels are those of its parts, and have no version.
    item.isBundle = read.levels.some((one) => one.version === 0);
    const sum = read.levels.reduce((all, one) => all + one.available_to_promise, 0);
    item.adds = !item.isBundle && sum === item.available;
    if (item.adds) {
      // Nothing is below 0, so each that is above it is in the sum.
      for (const [location, { available }] of item.levels) if (available > 0) this.#serving.add(location);
    }
    this.#items.set(item.sku, item);
    if (!item.isBundle && known) {
      // Events were taken only of locations that serve orders: what is newer there is in the sum.
      for (const [location, newer] of known.levels) {
        if (this.#serving.has(location)) this.#change(item, location, newer);
      }
    }
    return item;
  }

  /**
   * Applies an event. Returns the SKUs whose numbers are known now, and those that must be
   * read: where an event alone does not say what may be promised in all.
   */
  apply({ type, subject, data }) {
    if (type.startsWith('item.')) {
      // `from` is the SKU that an item had before.
      const names = [subject.sku, data.from, data.to].filter((name) => typeof name === 'string');
      return { shown: [], toRead: names };
    }
    if (data.available_to_promise === undefined) return { shown: [], toRead: [] };
    const bundles = [...this.#items.values()].filter((one) => one.isBundle).map((one) => one.sku);
    const item = this.#items.get(subject.sku);
    if (!item) {
      // What is not for sale is not here; what is being read may be read before this.
      const isAwaited = [...this.#awaited].some((skus) => skus.has(subject.sku));
      return { shown: [], toRead: isAwaited ? [subject.sku, ...bundles] : bundles };
    }
    const isKnown = item.adds && this.#serving.has(subject.location);
    if (!isKnown) return { shown: [], toRead: [item.sku, ...bundles] };
    const shown = this.#change(item, subject.location, level(data)) ? [item.sku] : [];
    return { shown, toRead: bundles };
  }

  /** Takes a level over where it is newer. */
  #change(item, location, newer) {
    const known = item.levels.get(location) ?? { available: 0, version: 0 };
    if (newer.version <= known.version) return false;
    item.levels.set(location, newer);
    item.available += newer.available - known.available;
    return true;
  }
}

function level({ available_to_promise: available, version }) {
  return { available, version };
}
