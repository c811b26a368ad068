-- Tokens that channels gave us. Twin of migrations/sqlite/0011_tokens.sql.

-- The token of a channel that was asked for last, sealed: all nodes ask with it, and a node
-- that was begun again does not ask for another.
create table channel_token (
  channel_id bigint primary key references channel (id),
  -- A keyed hash of whose token it is: the address and the credentials it was asked for with.
  credentials bytea not null check (length(credentials) = 32),
  sealed bytea not null,
  -- When it was asked for, and when it ends. A token takes the place of older ones only.
  asked_at bigint not null,
  ends_at bigint not null
);
