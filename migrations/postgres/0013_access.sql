-- What tokens are signed with, and who did what. Twin of migrations/sqlite/0013_access.sql.

-- All nodes sign and verify with the same keys. A key is published for a while before it
-- signs, and verifies for as long as what it signed may be used.
create table signing_key (
  -- Names it in tokens and in the published set.
  kid text primary key,
  -- The point of P-256, uncompressed.
  public bytea not null check (length(public) = 65),
  -- The private part, PKCS#8, sealed.
  sealed bytea not null,
  created_at bigint not null,
  -- The one that began last signs.
  signs_from bigint not null,
  -- What it signed is refused from then on; null while it may still sign.
  verifies_until bigint
);

-- Acts of people among all that happens: few of many.
create index journal_acts on journal (seq)
  where kind in ('auth.refused', 'batch.applied', 'batch.opened', 'batch.reverted',
         'batch.reverting', 'channel.paused', 'channel.resumed', 'channel.rules',
         'item.sale_resumed', 'item.sale_stopped', 'key.created', 'key.revoked',
         'location.created', 'signing.rotated');
