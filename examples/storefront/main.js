// A shop's page: live stock, and orders.

import { feed } from './feed.js';
import { Kept } from './kept.js';
import { Refused, Session } from './session.js';
import { Stock } from './stock.js';
import * as view from './view.js';

/** Items of one page of the list. */
const PAGE = 100;
/** Items that are read at once at most: what the server takes. */
const READ_MAX = 500;
/** What must be read again waits so long for more. */
const GATHER_MS = 200;

const base = document.querySelector('meta[name=invshop]').content;
const stock = new Stock();
const basket = new Map(); // quantities by SKU
const orders = new Map(); // versions by the ids of those placed here

let session;
let life; // of this session: its end ends whatever waits
let kept; // the order under way, also after the page was loaded again
let sending = null; // the same while it is sent
let isHeard = false; // whether events come now
let heard = 0; // the newest entry of the journal that was heard of
let loading = 0; // counts: the newest is the one that counts
let held = null; // events that come while everything is read
let toRead = new Set();
let reading = null;

document.getElementById('enter').addEventListener('submit', (event) => {
  event.preventDefault();
  const [id, secret] = ['key-id', 'secret'].map((name) => document.getElementById(name));
  // Whoever connects twice listens once.
  life?.abort();
  const holder = id.value.trim();
  session = new Session(base, holder, secret.value.trim());
  kept = new Kept(holder);
  secret.value = '';
  live();
});

/** Listens for as long as it may. */
async function live() {
  const own = new AbortController();
  life = own;
  isHeard = false;
  view.state('', 'Connecting …');
  try {
    for await (const told of feed(session, own.signal)) {
      if (own.signal.aborted) return;
      if (told.is === 'event') {
        hear(told.event);
        continue;
      }
      isHeard = told.is !== 'away';
      if (told.is === 'begun') begin();
      else if (isHeard) tell();
      else view.state('away', `Not live: ${told.why}. Coming back …`);
    }
  } catch (error) {
    failed(error, own);
  }
}

/** What is shown is live once all of it is loaded, and as long as events come. */
function tell() {
  if (!isHeard) return;
  if (held) view.state('', 'Loading …');
  else view.state('live', 'Live');
}

/** Coming back would not help: the key is not known any more, or may not do this. */
function leave(error) {
  life.abort();
  session = null;
  view.state('', 'Not connected');
  view.enter(false, error.message);
}

/** Reads everything. What happens meanwhile waits, and is newer or is known then. */
async function begin() {
  const own = life;
  const number = ++loading;
  held = [];
  heard = 0;
  toRead.clear();
  tell();
  view.enter(true);
  stock.clear().forEach(view.gone);
  try {
    let cursor = null;
    do {
      const after = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const asked = heard;
      const page = await ask(`/v1/inventory?status=active&limit=${PAGE}${after}`);
      if (number !== loading) return;
      page.data.forEach((item) => show(stock.put(item, asked)));
      cursor = page.next_cursor;
    } while (cursor !== null);
    const waiting = held;
    held = null;
    waiting.forEach(take);
    [...orders.keys()].forEach(readOrder);
    tell();
    resume();
  } catch (error) {
    failed(error, own);
  }
}

function ask(path, options = {}, onPause) {
  return session.call(path, options, { signal: life.signal, onPause });
}

/** Whatever cannot be answered ends the session; its end itself is nothing to tell of. */
function failed(error, own) {
  if (!own.signal.aborted) leave(error);
}

function show(item) {
  view.item(item, add);
}

function hear(event) {
  heard = event.seq ?? heard;
  if (held) held.push(event);
  else take(event);
}

/** Takes what happened. */
function take(event) {
  if (event.type === 'journal.unreadable') {
    // Nobody knows what it would have changed.
    begin();
    return;
  }
  if (event.type.startsWith('order.')) {
    if (orders.has(event.subject.order_id)) readOrder(event.subject.order_id);
    return;
  }
  const { shown, toRead: more } = stock.apply(event);
  shown.forEach((sku) => show(stock.get(sku)));
  more.forEach((sku) => toRead.add(sku));
  if (toRead.size > 0 && !reading) reading = setTimeout(readAgain, GATHER_MS);
}

/** Reads what no event said alone, all of it in few questions. */
async function readAgain() {
  const own = life;
  const [number, asked] = [loading, heard];
  const skus = [...toRead].slice(0, READ_MAX);
  skus.forEach((sku) => toRead.delete(sku));
  try {
    const ends = stock.awaits(skus);
    const read = await post('/v1/inventory/batch-get', { skus }).finally(ends);
    // Where everything is read anew this is of before, maybe of another journal.
    for (const { sku, item } of number === loading ? read.data : []) {
      // Another SKU may be asked for by one that it had.
      if (item?.sku !== sku || item.status !== 'active') {
        stock.remove(sku);
        view.gone(sku);
      }
      if (item?.status === 'active') show(stock.put(item, asked));
    }
  } catch (error) {
    failed(error, own);
  }
  reading = toRead.size > 0 ? setTimeout(readAgain, GATHER_MS) : null;
}

function post(path, body, onPause) {
  const headers = { 'Content-Type': 'application/json' };
  return ask(path, { method: 'POST', headers, body: JSON.stringify(body) }, onPause);
}

function add(sku) {
  basket.set(sku, (basket.get(sku) ?? 0) + 1);
  // What there is to say of the order under way is said until it is answered.
  if (!sending) view.refusal('');
  showBasket();
}

function showBasket() {
  const set = (sku, quantity) => basket.set(sku, quantity);
  const remove = (sku) => {
    basket.delete(sku);
    view.refusal('');
    showBasket();
  };
  const lines = [...basket].map(([sku, quantity]) => ({ sku, quantity, title: stock.get(sku)?.title ?? sku }));
  view.basket(lines, set, remove);
}

document.getElementById('basket').addEventListener('submit', (event) => {
  event.preventDefault();
  // One id for one wish, however often it is sent: an answer that is lost on the way does
  // not make it two orders.
  send(kept.get() ?? {
    order_id: crypto.randomUUID(),
    lines: [...basket].map(([sku, quantity]) => {
      const price = stock.get(sku)?.price;
      return price ? { sku, quantity, unit_price: price } : { sku, quantity };
    }),
  });
});

/** Goes on with an order that was sent before, and not answered while the page lived. */
function resume() {
  const order = kept.get();
  if (!order || sending) return;
  for (const { sku, quantity } of order.lines) basket.set(sku, Math.max(basket.get(sku) ?? 0, quantity));
  showBasket();
  send(order);
}

/** Sends an order until it is answered. */
async function send(order) {
  if (sending) return;
  const own = life;
  sending = order;
  kept.keep(order);
  // It is told of before its answer comes.
  orders.set(order.order_id, 0);
  view.placing(true);
  view.refusal('');
  try {
    const unknown = () => view.refusal('No answer yet. The same order is sent until there is one.');
    const placed = await post('/v1/orders', order, unknown);
    kept.drop();
    takeOut(order.lines);
    view.refusal('');
    showBasket();
    showOrder(placed);
  } catch (error) {
    orders.delete(order.order_id);
    if (!(error instanceof Refused)) return failed(error, own);
    // Whoever is not let in is told nothing of the order: it may have been placed.
    if (error.isFinal) kept.drop();
    const isShort = error.code === 'insufficient_stock';
    view.refusal(isShort ? 'There is too little; nothing was ordered.' : error.message, error.problem.shortages);
  } finally {
    sending = null;
    view.placing(false);
  }
}

/** What was ordered is in the basket no more; what was added meanwhile is. */
function takeOut(lines) {
  for (const { sku, quantity } of lines) {
    const left = (basket.get(sku) ?? 0) - quantity;
    if (left > 0) basket.set(sku, left);
    else basket.delete(sku);
  }
}

/** Shows how an order stands, unless something newer is known. */
function showOrder(order) {
  if (order.version < orders.get(order.order_id)) return;
  orders.set(order.order_id, order.version);
  view.order(order);
}

async function readOrder(id) {
  const own = life;
  try {
    showOrder(await ask(`/v1/orders/${encodeURIComponent(id)}`));
  } catch (error) {
    if (!(error instanceof Refused)) failed(error, own);
  }
}
