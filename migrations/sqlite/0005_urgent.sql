-- What sells goes before what a file changed. Twin of migrations/postgres/0005_urgent.sql.

-- Whether what made a number dirty was about few items: a sale, not a file.
alter table push add column is_urgent integer not null default 0 check (is_urgent in (0, 1));

create index push_urgent on push (channel_id, retry_at) where is_urgent = 1;
