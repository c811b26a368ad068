-- What channels took off their own numbers, at more than one place for a line. Twin of
-- migrations/postgres/0010_deductions.sql.

-- What a channel took off a number for a line of one of its orders, as it says now; fewer
-- than none where more came back than was taken there. Nothing is no row.
create table deduction (
  channel_id integer not null references channel (id),
  order_key text not null,
  line text not null,
  holder text not null,
  place text not null,
  units integer not null check (units <> 0),
  primary key (channel_id, order_key, line, holder, place)
) strict, without rowid;

insert into deduction (channel_id, order_key, line, holder, place, units)
  select channel_id, order_key, line, holder, place, units from remote_line where units > 0;

alter table remote_line drop column holder;
alter table remote_line drop column place;
alter table remote_line drop column units;
