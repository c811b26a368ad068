-- People that key holders register. Twin of migrations/postgres/0014_users.sql.

create table users (
  id integer primary key,
  -- The key holder who registered them, and nobody else's.
  account_id integer not null references account (id),
  -- A keyed hash of the e-mail address in small letters.
  email blob check (length(email) = 32),
  -- Name, addresses and all else, sealed.
  sealed blob,
  -- A keyed hash of what is sealed: it tells a repetition without opening it.
  digest blob check (length(digest) = 32),
  version integer not null check (version >= 1),
  created_at integer not null,
  updated_at integer not null,
  -- Whoever is erased leaves a number that nobody gets again, and nothing else.
  erased_at integer,
  constraint users_whole check (
    (email is null) = (erased_at is not null) and (sealed is null) = (erased_at is not null)
    and (digest is null) = (erased_at is not null))
) strict;

create unique index users_email on users (account_id, email) where email is not null;
create index users_account on users (account_id, id);

-- Whose an order is. Once they are erased it is nobody's, and nobody's personal data comes
-- back to it.
create table order_user (
  order_id integer primary key references orders (id),
  user_id integer references users (id)
) strict;

create index order_user_of on order_user (user_id, order_id);

-- What hashes are made with, sealed, once the instance key was exchanged: a repetition of
-- what came before is still one.
alter table shop add column hashes blob;

-- Whoever was erased is an act too.
drop index journal_acts;
create index journal_acts on journal (seq)
  where kind in ('auth.refused', 'batch.applied', 'batch.opened', 'batch.reverted',
         'batch.reverting', 'channel.paused', 'channel.resumed', 'channel.rules',
         'instance_key.rotated', 'item.sale_resumed', 'item.sale_stopped', 'key.created',
         'key.revoked', 'location.created', 'signing.rotated', 'user.erased');

-- What is sealed is sealed with the key that the shop names: whoever still has another one,
-- because it was exchanged meanwhile, writes nothing that nobody could open.
create trigger personal_key_new before insert on personal
when new.sealed is not null
  and lower(hex(substr(new.sealed, 2, 8))) <> (select key_id from shop)
begin
  select raise(abort, 'it is sealed with another instance key');
end;

create trigger personal_key_changed before update of sealed on personal
when new.sealed is not null
  and lower(hex(substr(new.sealed, 2, 8))) <> (select key_id from shop)
begin
  select raise(abort, 'it is sealed with another instance key');
end;

create trigger inbox_key_new before insert on inbox
when new.sealed is not null
  and lower(hex(substr(new.sealed, 2, 8))) <> (select key_id from shop)
begin
  select raise(abort, 'it is sealed with another instance key');
end;

create trigger inbox_key_changed before update of sealed on inbox
when new.sealed is not null
  and lower(hex(substr(new.sealed, 2, 8))) <> (select key_id from shop)
begin
  select raise(abort, 'it is sealed with another instance key');
end;

create trigger channel_token_key_new before insert on channel_token
when new.sealed is not null
  and lower(hex(substr(new.sealed, 2, 8))) <> (select key_id from shop)
begin
  select raise(abort, 'it is sealed with another instance key');
end;

create trigger channel_token_key_changed before update of sealed on channel_token
when new.sealed is not null
  and lower(hex(substr(new.sealed, 2, 8))) <> (select key_id from shop)
begin
  select raise(abort, 'it is sealed with another instance key');
end;

create trigger signing_key_key_new before insert on signing_key
when new.sealed is not null
  and lower(hex(substr(new.sealed, 2, 8))) <> (select key_id from shop)
begin
  select raise(abort, 'it is sealed with another instance key');
end;

create trigger signing_key_key_changed before update of sealed on signing_key
when new.sealed is not null
  and lower(hex(substr(new.sealed, 2, 8))) <> (select key_id from shop)
begin
  select raise(abort, 'it is sealed with another instance key');
end;

create trigger users_key_new before insert on users
when new.sealed is not null
  and lower(hex(substr(new.sealed, 2, 8))) <> (select key_id from shop)
begin
  select raise(abort, 'it is sealed with another instance key');
end;

create trigger users_key_changed before update of sealed on users
when new.sealed is not null
  and lower(hex(substr(new.sealed, 2, 8))) <> (select key_id from shop)
begin
  select raise(abort, 'it is sealed with another instance key');
end;
