-- What people see and do about channels. Twin of migrations/postgres/0008_desk.sql.

-- Since when its orders could not be read for too long; null while they can.
alter table channel add column blind_at integer;
-- When all its numbers were last compared, how many of ours there were, and how many of
-- them it showed as the ledger has them.
alter table channel add column reconciled_at integer;
alter table channel add column compared integer;
alter table channel add column agreed integer;
-- When what it showed was last believed, and what it was taken for.
alter table channel add column stock_from integer;
alter table channel add column basis text check (basis in ('physical', 'available', 'published'));

-- What that comparison found: how many numbers are off, by why.
create table channel_drift (
  channel_id integer not null references channel (id),
  cause text not null,
  listings integer not null check (listings >= 0),
  primary key (channel_id, cause)
) strict, without rowid;

-- When the oldest sale was committed that the channel was not told of yet.
alter table push add column sold_at integer;

-- How long sales waited until the channel had the number: so many in a quarter of an
-- hour, by the least bound they did not exceed. Old quarters are deleted.
create table push_latency (
  channel_id integer not null references channel (id),
  slot_at integer not null,
  bound_ms integer not null check (bound_ms > 0),
  sales integer not null check (sales > 0),
  primary key (channel_id, slot_at, bound_ms)
) strict, without rowid;

-- The ids a line gave for its listing, as a JSON list: by them it is mapped later.
alter table remote_line add column listing_keys text;

create index journal_drift on journal (seq) where kind = 'channel.drift';
