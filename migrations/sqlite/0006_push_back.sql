-- What channels are told of their orders. Twin of migrations/postgres/0006_push_back.sql.

-- An entry of the journal that a channel is to hear of: goods of its order left, or will
-- not.
create table push_back (
  seq integer primary key references journal (seq),
  channel_id integer not null references channel (id),
  order_id integer not null references orders (id),
  kind text not null check (kind in ('shipped', 'cancelled')),
  state text not null check (state in ('pending', 'done', 'refused')),
  attempts integer not null default 0,
  retry_at integer not null default 0,
  reason text,
  ended_at integer,
  constraint push_back_end check ((state = 'pending') = (ended_at is null))
) strict;

create index push_back_pending on push_back (channel_id, seq) where state = 'pending';
create index push_back_refused on push_back (seq) where state = 'refused';
create index push_back_order on push_back (order_id);
