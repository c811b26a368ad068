// The page. Whatever comes from outside is set as text.

const at = (id) => document.getElementById(id);
const copy = (id) => at(id).content.firstElementChild.cloneNode(true);
const text = (within, selector, value) => (within.querySelector(selector).textContent = value);

const rows = new Map(); // by SKU

/** How the connection stands: 'live', 'away' or nothing. */
export function state(kind, words) {
  at('state').className = kind;
  at('state').textContent = words;
}

/** Shows the shop, or the form that leads to it with what was wrong. */
export function enter(isIn, wrong = '') {
  at('shop').hidden = !isIn;
  at('enter').hidden = isIn;
  at('wrong').textContent = wrong;
}

/** Shows an item, in its place by SKU. */
export function item({ sku, title, price, available }, onAdd) {
  let row = rows.get(sku);
  if (!row) {
    row = copy('item');
    row.dataset.sku = sku;
    const button = row.querySelector('button');
    button.addEventListener('click', () => onAdd(sku));
    rows.set(sku, row);
    const all = at('items').children;
    const next = [...all].reverse().findIndex((other) => other.dataset.sku < sku);
    at('items').insertBefore(row, next < 0 ? all[0] ?? null : all[all.length - next] ?? null);
  }
  text(row, '.title', title);
  text(row, '.sku', sku);
  text(row, '.price', price ? money(price) : '');
  row.querySelector('button').setAttribute('aria-label', `Add ${title} to the basket`);
  const cell = row.querySelector('.available');
  if (cell.textContent !== '' && cell.textContent !== String(available)) {
    cell.classList.remove('changed');
    void cell.offsetWidth; // begins the animation anew
    cell.classList.add('changed');
  }
  cell.textContent = available;
  cell.classList.toggle('none', available === 0);
}

/** An item is not for sale any more. */
export function gone(sku) {
  rows.get(sku)?.remove();
  rows.delete(sku);
}

/** An amount of minor units. */
function money({ amount, currency }) {
  const format = new Intl.NumberFormat(undefined, { style: 'currency', currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}

/** Shows the basket: `[{ sku, title, quantity }]`. */
export function basket(lines, onQuantity, onRemove) {
  const shown = lines.map(({ sku, title, quantity }) => {
    const line = copy('line');
    line.dataset.sku = sku;
    text(line, '.title', title);
    const input = line.querySelector('input');
    input.value = quantity;
    input.addEventListener('change', () => input.checkValidity() && onQuantity(sku, input.valueAsNumber));
    line.querySelector('button').setAttribute('aria-label', `Remove ${title}`);
    line.querySelector('button').addEventListener('click', () => onRemove(sku));
    return line;
  });
  at('lines').replaceChildren(...shown);
  at('empty').hidden = lines.length > 0;
  at('place').disabled = lines.length === 0;
}

/** Nothing of the basket can be changed while nobody knows what became of the order. */
export function placing(isPlacing) {
  document.querySelector('#basket fieldset').disabled = isPlacing;
}

/** Why an order is not placed, or not yet; of each line that there is too little of, how much. */
export function refusal(words, shortages = []) {
  at('refusal').textContent = words;
  for (const line of at('lines').children) {
    const short = shortages.find(({ sku }) => sku === line.dataset.sku);
    text(line, '.shortage', short ? `${short.requested} asked for, ${short.available} available` : '');
  }
}

/** Shows an order and how it stands. */
export function order({ order_id: id, status, lines }) {
  let entry = [...at('orders').children].find((one) => one.dataset.order === id);
  if (!entry) {
    entry = document.createElement('li');
    entry.dataset.order = id;
    at('orders').prepend(entry);
  }
  const goods = lines.map(({ quantity, sku }) => `${quantity} × ${sku}`).join(', ');
  entry.textContent = `${status}: ${goods} (order ${id})`;
}
