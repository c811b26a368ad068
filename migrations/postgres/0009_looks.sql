-- When numbers on channels were last seen, and how often they were written in a day. Twin of
-- migrations/sqlite/0009_looks.sql.

-- When the channel last said what it shows.
alter table push add column seen_at bigint;
-- The day (UTC, counted from 1970-01-01) of the last write, and writes of that day.
alter table push add column written_on bigint;
alter table push add column writes bigint not null default 0 check (writes >= 0);
