-- The ledger. Twin of migrations/postgres/0001_ledger.sql: same tables, same
-- columns, same constraints. Times are UTC milliseconds, money minor units.

create table shop (
  one integer primary key check (one = 1),
  format text not null check (format = 'invshop'),
  key_id text not null,
  created_at integer not null
) strict;

create table account (
  id integer primary key,
  name text not null unique,
  role text not null check (role in ('admin', 'operator', 'storefront', 'reader')),
  created_at integer not null
) strict;

-- The secret is shown once; only its hash is kept.
create table api_key (
  id integer primary key,
  prefix text not null unique,
  account_id integer not null references account (id),
  hash blob not null check (length(hash) = 32),
  created_at integer not null,
  expires_at integer,
  revoked_at integer,
  last_used_at integer
) strict;

create table location (
  id integer primary key,
  code text not null unique,
  name text not null,
  kind text not null check (kind in ('warehouse', 'store', 'third_party', 'transit', 'quarantine')),
  authority text not null,
  sellable integer not null check (sellable in (0, 1)),
  priority integer not null,
  created_at integer not null
) strict;

create table item (
  id integer primary key,
  sku text not null,
  title text not null,
  status text not null check (status in ('active', 'discontinued')),
  bundle integer not null check (bundle in (0, 1)),
  barcode text,
  price integer check (price >= 0),
  cost integer check (cost >= 0),
  currency text,
  reorder_point integer check (reorder_point between 0 and 1000000000),
  attributes text,
  low integer not null default 0 check (low in (0, 1)),
  version integer not null check (version >= 1),
  created_at integer not null,
  updated_at integer not null,
  check (price is null and cost is null or currency is not null)
) strict;

-- Every name an item has or ever had: one namespace, so an old SKU keeps
-- resolving and can never come to mean another item.
create table item_sku (
  sku text primary key,
  item_id integer not null references item (id)
) strict, without rowid;

create table bundle_part (
  bundle_id integer not null references item (id),
  part_id integer not null references item (id),
  per_unit integer not null check (per_unit between 1 and 1000000000),
  primary key (bundle_id, part_id),
  check (bundle_id <> part_id)
) strict, without rowid;

create index bundle_part_part on bundle_part (part_id);

-- The running totals. The constraints are the last line of defence: the writer
-- decides under lock and never relies on them.
create table level (
  item_id integer not null references item (id),
  location_id integer not null references location (id),
  on_hand integer not null constraint level_on_hand_bounds check (on_hand between 0 and 1000000000),
  reserved integer not null constraint level_reserved_bounds check (reserved between 0 and 1000000000),
  shortfall integer not null constraint level_shortfall_bounds check (shortfall between 0 and 1000000000),
  safety integer not null constraint level_safety_bounds check (safety between 0 and 1000000000),
  version integer not null check (version >= 0),
  counted_at integer,
  primary key (item_id, location_id),
  constraint level_reserved_on_hand check (reserved <= on_hand)
) strict, without rowid;

create table batch (
  id integer primary key,
  kind text not null check (kind in ('items', 'stock', 'orders')),
  status text not null check (status in ('open', 'applied', 'reverting', 'reverted')),
  file_name text not null,
  content_hash blob not null check (length(content_hash) = 32),
  options text not null,
  rows_total integer not null check (rows_total >= 0),
  rows_done integer not null check (rows_done between 0 and rows_total),
  account_id integer not null references account (id),
  created_at integer not null,
  finished_at integer
) strict;

create index batch_content on batch (content_hash);

-- The totals are the sums of the lines; the status follows from them and is
-- never written.
create table orders (
  id integer primary key,
  source text not null,
  external_id text not null,
  decision text not null check (decision in ('accepted', 'undecided', 'rejected')),
  payment text not null check (payment in ('none', 'required', 'paid')),
  accepted integer not null check (accepted in (0, 1)),
  location_id integer references location (id),
  expires_at integer,
  cancel_reason text,
  placed_at integer not null,
  updated_at integer not null,
  currency text,
  total integer,
  content_hash blob,
  source_version integer,
  version integer not null check (version >= 1),
  ordered integer not null check (ordered >= 0),
  held integer not null check (held >= 0),
  shipped integer not null check (shipped >= 0),
  shortfall integer not null check (shortfall >= 0),
  cancelled integer not null check (cancelled >= 0),
  returned integer not null check (returned >= 0),
  status text not null generated always as (
    case
      when decision = 'rejected' then 'rejected'
      when cancelled = ordered and decision = 'accepted' then 'cancelled'
      when held + shortfall = 0 and shipped > 0 and returned = shipped then 'returned'
      when held + shortfall = 0 and shipped > 0 then 'shipped'
      when shipped > 0 then 'partially_shipped'
      when shortfall > 0 then 'backordered'
      when payment = 'required' or decision = 'undecided' then 'pending'
      else 'open'
    end
  ) stored,
  constraint orders_identity unique (source, external_id),
  constraint orders_equation check (held + shipped + shortfall + cancelled = ordered),
  constraint orders_returned check (returned <= shipped)
) strict;

create index orders_placed on orders (placed_at);
create index orders_due on orders (expires_at) where expires_at is not null;

create table order_line (
  order_id integer not null references orders (id),
  line integer not null check (line >= 1),
  item_id integer,
  sku text not null,
  bundle integer not null check (bundle in (0, 1)),
  unit_price integer check (unit_price >= 0),
  fulfilled_by text not null check (fulfilled_by in ('ledger', 'channel')),
  ordered integer not null check (ordered >= 0),
  held integer not null check (held >= 0),
  shipped integer not null check (shipped >= 0),
  shortfall integer not null check (shortfall >= 0),
  cancelled integer not null check (cancelled >= 0),
  returned integer not null check (returned >= 0),
  expired integer not null check (expired between 0 and cancelled),
  primary key (order_id, line),
  constraint order_line_equation check (held + shipped + shortfall + cancelled = ordered),
  constraint order_line_returned check (returned <= shipped)
) strict, without rowid;

-- The frozen recipe of a bundle line; plain lines have none.
create table order_part (
  order_id integer not null,
  line integer not null,
  part integer not null check (part >= 1),
  item_id integer not null,
  per_unit integer not null check (per_unit >= 1),
  ordered integer not null check (ordered >= 0),
  held integer not null check (held >= 0),
  shipped integer not null check (shipped >= 0),
  shortfall integer not null check (shortfall >= 0),
  cancelled integer not null check (cancelled >= 0),
  returned integer not null check (returned >= 0),
  expired integer not null check (expired between 0 and cancelled),
  primary key (order_id, line, part),
  foreign key (order_id, line) references order_line (order_id, line),
  constraint order_part_equation check (held + shipped + shortfall + cancelled = ordered),
  constraint order_part_returned check (returned <= shipped)
) strict, without rowid;

-- Where the units of a line (part 0) or of a bundle's part stand. Written with
-- every order: foreign keys here would double the cost of placing one, so
-- `db verify` proves what they would.
create table allocation (
  order_id integer not null,
  line integer not null,
  part integer not null check (part >= 0),
  location_id integer not null,
  item_id integer not null,
  held integer not null check (held >= 0),
  shipped integer not null check (shipped >= 0),
  shortfall integer not null check (shortfall >= 0),
  primary key (order_id, line, part, location_id)
) strict, without rowid;

-- Open demand by item: who holds, and who is owed.
create index allocation_open on allocation (item_id, location_id)
  where held > 0 or shortfall > 0;

-- Payments, shipments, returns and refunds under their senders' ids.
create table order_fact (
  order_id integer not null references orders (id),
  kind text not null check (kind in ('payment', 'shipment', 'return', 'refund')),
  fact_id text not null,
  content_hash blob not null check (length(content_hash) = 32),
  data text not null,
  recorded_at integer not null,
  primary key (order_id, kind, fact_id)
) strict, without rowid;

-- Names, addresses, e-mail and phone numbers: sealed with the instance key and
-- nowhere else.
create table personal (
  order_id integer primary key references orders (id),
  sealed blob not null
) strict;

-- Levels whose shortfall one transaction could not fill whole: the next
-- transactions go on, and whoever comes after a crash.
create table fill_rest (
  item_id integer not null references item (id),
  location_id integer not null references location (id),
  primary key (item_id, location_id)
) strict, without rowid;

-- All facts in commit order: ledger, outbox, change feed and audit log at once.
-- Append-only: the triggers below refuse everything else.
create table journal (
  seq integer primary key check (seq >= 1),
  at integer not null,
  kind text not null,
  item_id integer,
  location_id integer,
  level_version integer,
  d_on_hand integer,
  d_reserved integer,
  d_shortfall integer,
  d_safety integer,
  on_hand integer,
  reserved integer,
  shortfall integer,
  safety integer,
  effective_at integer not null,
  quantity integer,
  order_id integer,
  line integer,
  part integer,
  batch_id integer,
  account_id integer,
  idem_key text,
  content_hash blob,
  reverses integer,
  data text,
  constraint journal_effective check (effective_at <= at),
  constraint journal_movement check (
    level_version is null
    and d_on_hand is null and d_reserved is null and d_shortfall is null and d_safety is null
    and on_hand is null and reserved is null and shortfall is null and safety is null
    or level_version >= 1 and item_id is not null and location_id is not null
    and on_hand >= reserved and reserved >= 0 and shortfall >= 0 and safety >= 0
    and d_on_hand is not null and d_reserved is not null
    and d_shortfall is not null and d_safety is not null
    and on_hand is not null and reserved is not null
    and shortfall is not null and safety is not null
  )
) strict;

-- One entry a version of a level: two writers that read the same version
-- cannot both commit.
create unique index journal_level on journal (item_id, location_id, level_version)
  where level_version is not null;
create unique index journal_key on journal (account_id, idem_key) where idem_key is not null;
create unique index journal_reverses on journal (reverses) where reverses is not null;
create index journal_order on journal (order_id, seq) where order_id is not null;
create index journal_batch on journal (batch_id, seq) where batch_id is not null;

create trigger journal_no_update before update on journal
begin
  select raise(abort, 'the journal is append-only');
end;

create trigger journal_no_delete before delete on journal
begin
  select raise(abort, 'the journal is append-only');
end;
