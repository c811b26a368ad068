-- Who orders come from, under one name each: key holders and channels alike. Twin of
-- migrations/sqlite/0007_source.sql.

create table source (
  name text primary key,
  kind text not null check (kind in ('account', 'channel'))
);

insert into source (name, kind) select name, 'account' from account;
-- A channel that has a key holder's name is not served until one of them has another.
insert into source (name, kind)
  select name, 'channel' from channel where name not in (select name from account);
