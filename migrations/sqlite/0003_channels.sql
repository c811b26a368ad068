-- Channels: what is sold where, what came in from there, and what they were told.
-- Twin of migrations/postgres/0003_channels.sql.

-- A connected account. The configuration defines it; here is what became of it.
create table channel (
  id integer primary key,
  name text not null unique,
  kind text not null,
  -- Set by command; the configuration's where it is null.
  mode text check (mode in ('shadow', 'live', 'paused')),
  -- Rules and locations by which its numbers were last found dirty, as JSON.
  rules text,
  -- Every order that changed before is in the inbox.
  watermark integer,
  -- When its orders were last read to the end.
  pulled_at integer,
  -- When and why it could last not be asked.
  failed_at integer,
  failure text,
  created_at integer not null
) strict;

-- An item as it is sold on a channel, at one of its places where it has some.
create table listing (
  id integer primary key,
  channel_id integer not null references channel (id),
  external_id text not null,
  place text not null,
  -- What carries its number there; empty where nothing does.
  holder text not null,
  -- Null while nobody said which item it is.
  item_id integer references item (id),
  sku_text text not null,
  title text not null,
  buffer integer check (buffer between 0 and 1000000000),
  share_percent integer check (share_percent between 0 and 100),
  max_quantity integer check (max_quantity between 0 and 1000000000),
  min_quantity integer check (min_quantity between 0 and 1000000000),
  seen_at integer not null,
  unique (channel_id, external_id, place)
) strict;

create index listing_item on listing (item_id);
create index listing_holder on listing (channel_id, holder, place);

-- The ids a listing has in the lines of orders.
create table listing_key (
  channel_id integer not null references channel (id),
  order_key text not null,
  listing_id integer not null references listing (id),
  primary key (channel_id, order_key)
) strict, without rowid;

create index listing_key_listing on listing_key (listing_id);

-- A number on a channel: what it should show, and what it is known to show. One item
-- a holder, however many listings show it.
create table push (
  channel_id integer not null references channel (id),
  holder text not null,
  place text not null,
  item_id integer not null references item (id),
  -- The newest entry that changed what it should show, and the one up to which it does.
  dirty_seq integer not null,
  pushed_seq integer not null default 0,
  -- How often somebody said that it shows something else, since it was last read.
  remote_changed integer not null default 0 check (remote_changed >= 0),
  -- The number the channel last confirmed.
  baseline integer,
  -- All that the channel took off the number, and gave back to it, for orders that came in.
  taken integer not null default 0,
  given integer not null default 0,
  -- The same as it was before the baseline was confirmed, and after the first pull that
  -- was begun later: between the two nobody knows on which side a sale was.
  taken_from integer not null default 0,
  given_from integer not null default 0,
  taken_until integer,
  given_until integer,
  confirmed_at integer,
  -- A write under way, or one of which nobody knows: its number, and until when it may
  -- still reach the channel.
  sending integer,
  sending_taken integer,
  sending_given integer,
  sending_seq integer,
  sending_until integer,
  -- Why it is not what it should be, and when it is tried again.
  attempts integer not null default 0,
  retry_at integer not null default 0,
  problem text,
  primary key (channel_id, holder, place),
  constraint push_sending check ((sending is null) = (sending_until is null)),
  constraint push_settled check ((taken_until is null) = (given_until is null))
) strict, without rowid;

create index push_item on push (item_id);
create index push_dirty on push (channel_id, retry_at)
  where dirty_seq > pushed_seq or remote_changed > 0;
create index push_unsettled on push (channel_id) where taken_until is null;

-- The lines of a channel's orders: their number in the ledger, which never changes, and
-- what the channel took off which number for them, by its own account.
create table remote_line (
  channel_id integer not null references channel (id),
  order_key text not null,
  line text not null,
  number integer not null check (number >= 1),
  holder text not null default '',
  place text not null default '',
  units integer not null default 0 check (units >= 0),
  primary key (channel_id, order_key, line),
  constraint remote_line_number unique (channel_id, order_key, number)
) strict, without rowid;

-- What came in, as it came, sealed: deliveries, and orders that were read.
create table inbox (
  id integer primary key,
  channel_id integer not null references channel (id),
  kind text not null check (kind in ('delivery', 'order')),
  dedupe_key text not null,
  sealed blob not null,
  state text not null check (state in ('pending', 'done', 'dead')),
  received_at integer not null,
  attempts integer not null default 0,
  retry_at integer not null default 0,
  reason text,
  done_at integer,
  constraint inbox_end check ((state = 'pending') = (done_at is null))
) strict;

-- The same thing twice at once is one thing. What came before and is done does not
-- count: the same words may be news again.
create unique index inbox_pending on inbox (channel_id, dedupe_key) where state = 'pending';
create index inbox_dead on inbox (id) where state = 'dead';
create index inbox_done on inbox (done_at) where state = 'done';

-- How far those who follow the journal are.
create table follower (
  name text primary key,
  seq integer not null
) strict, without rowid;
