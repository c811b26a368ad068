-- What the program around the ledger needs. Twin of
-- migrations/sqlite/0002_operations.sql.

-- Where the shop went by `db copy`: this database takes no more writes.
alter table shop add column moved_to text;

-- Sale stopped by command: 0 for requests and channels, whatever the rules.
alter table item add column stopped bigint not null default 0 check (stopped in (0, 1));
-- What both come to.
alter table item add column sale text generated always as (
  case when status = 'discontinued' then status when stopped = 1 then 'stopped' else 'active' end
) stored;

-- What somebody has to look at, found without reading everything.
create index order_line_unmapped on order_line (order_id) where item_id is null;
create index journal_discrepancy on journal (seq) where kind = 'stock.discrepancy';
create index journal_unmatched on journal (seq) where kind = 'payment.unmatched';

-- Why an order that was decided later was refused: the refusal as JSON.
alter table orders add column refusal text;

-- Orders accepted for a later decision, and what their decision needs beyond the
-- order itself. A row lives until its order is decided; ids go up as they came.
create table order_queue (
  order_id bigint primary key references orders (id),
  allow_backorder bigint not null check (allow_backorder in (0, 1)),
  hold_ms bigint check (hold_ms >= 1),
  queued_at bigint not null
);

-- Runs of scheduled jobs. The row claims the run: whoever inserts it does it, and
-- nobody else until its lease is over.
create table job_run (
  job text collate "C" not null,
  due_at bigint not null,
  node text not null,
  started_at bigint not null,
  lease_until bigint not null,
  finished_at bigint,
  outcome text check (outcome in ('done', 'failed')),
  detail text,
  primary key (job, due_at),
  constraint job_run_end check ((finished_at is null) = (outcome is null))
);

-- What one node at a time does. Each new holder gets the next epoch: who acts under
-- an older one has lost it.
create table lease (
  name text collate "C" primary key,
  node text not null,
  epoch bigint not null check (epoch >= 1),
  held_until bigint not null
);
