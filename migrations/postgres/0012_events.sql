-- Events that several deliveries tell of. Twin of migrations/sqlite/0012_events.sql.

-- The event that a delivery tells of beside others, by the channel's id of it.
alter table inbox add column event text;
