-- Events that several deliveries tell of, units that may have been taken or put back, and
-- channels that fall behind. Twin of migrations/postgres/0012_events.sql.

-- The event that a delivery tells of beside others, by the channel's id of it.
alter table inbox add column event text;

-- Of the units of a deduction those of which nobody says whether they were put back, or whether
-- they were taken there.
alter table deduction add column unsure integer not null default 0 check (unsure >= 0);

-- Since when more of a channel's numbers become due than are settled, where that is so.
alter table channel add column behind_at integer;
