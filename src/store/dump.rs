//! All tables as rows, out of one database and into another: what backups, restores
//! and moves are made of.
//!
//! The list below is the one place where they are named; a test holds it against both
//! schemas. The texts are made of it when first needed, and live as long as the program.

use std::sync::OnceLock;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::{Postgres, Sqlite};

use super::bulk::Bulk;
use super::statement::{
    Arg, Row, Rows, Type, args, postgres_arguments, sqlite_arguments, statement,
};
use super::{Conn, Statement, StoreError, channel_tokens, signing_keys};

/// Rows written with one statement.
const ROWS_MAX: usize = 256;
/// Bytes after which a statement has enough rows.
const BYTES_MAX: usize = 1024 * 1024;

/// A table that is part of a shop.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its columns; the first is never null. A generated one is not among them.
    pub(crate) columns: &'static [(&'static str, Type)],
    /// By what its rows are ordered, so that two equal shops have equal backups.
    key: &'static str,
    /// Whether its ids are handed out by a sequence.
    sequence: bool,
    texts: OnceLock<Texts>,
}

#[derive(Clone, Copy, Debug)]
struct Texts {
    read: &'static Statement,
    count: &'static Statement,
    write: &'static Statement,
    bulk: &'static Bulk,
    clear: &'static Statement,
    resume: &'static Statement,
}

macro_rules! table {
    ($name:ident by $key:literal $($sequence:ident)?: $($column:ident $kind:ident),*) => {
        Table {
            name: stringify!($name),
            columns: &[$((stringify!($column), Type::$kind)),*],
            key: $key,
            sequence: table!(@sequence $($sequence)?),
            texts: OnceLock::new(),
        }
    };
    (@sequence) => { false };
    (@sequence sequence) => { true };
}

/// The tables of a shop, each after those it refers to.
pub(crate) static TABLES: [Table; 32] = [
    table!(shop by "one": one Int, format Text, key_id Text, created_at Int, moved_to Text,
        hashes Bytes),
    table!(account by "id" sequence: id Int, name Text, role Text, created_at Int),
    table!(api_key by "id" sequence: id Int, prefix Text, account_id Int, hash Bytes,
        created_at Int, expires_at Int, revoked_at Int, last_used_at Int),
    table!(source by "name": name Text, kind Text),
    table!(location by "id" sequence: id Int, code Text, name Text, kind Text, authority Text,
        sellable Int, priority Int, created_at Int),
    table!(item by "id" sequence: id Int, sku Text, title Text, status Text, bundle Int,
        barcode Text, price Int, cost Int, currency Text, reorder_point Int, attributes Text,
        low Int, version Int, created_at Int, updated_at Int, stopped Int),
    table!(item_sku by "sku": sku Text, item_id Int),
    table!(bundle_part by "bundle_id, part_id": bundle_id Int, part_id Int, per_unit Int),
    table!(level by "item_id, location_id": item_id Int, location_id Int, on_hand Int,
        reserved Int, shortfall Int, safety Int, version Int, counted_at Int),
    table!(batch by "id" sequence: id Int, kind Text, status Text, file_name Text,
        content_hash Bytes, options Text, rows_total Int, rows_done Int, account_id Int,
        created_at Int, finished_at Int),
    table!(orders by "id" sequence: id Int, source Text, external_id Text, decision Text,
        payment Text, accepted Int, location_id Int, expires_at Int, cancel_reason Text,
        placed_at Int, updated_at Int, currency Text, total Int, content_hash Bytes,
        source_version Int, version Int, ordered Int, held Int, shipped Int, shortfall Int,
        cancelled Int, returned Int, refusal Text),
    table!(order_line by "order_id, line": order_id Int, line Int, item_id Int, sku Text,
        bundle Int, unit_price Int, fulfilled_by Text, ordered Int, held Int, shipped Int,
        shortfall Int, cancelled Int, returned Int, expired Int),
    table!(order_part by "order_id, line, part": order_id Int, line Int, part Int, item_id Int,
        per_unit Int, ordered Int, held Int, shipped Int, shortfall Int, cancelled Int,
        returned Int, expired Int),
    table!(allocation by "order_id, line, part, location_id": order_id Int, line Int, part Int,
        location_id Int, item_id Int, held Int, shipped Int, shortfall Int),
    table!(order_fact by "order_id, kind, fact_id": order_id Int, kind Text, fact_id Text,
        content_hash Bytes, data Text, recorded_at Int),
    table!(personal by "order_id": order_id Int, sealed Bytes),
    table!(users by "id" sequence: id Int, account_id Int, email Bytes, sealed Bytes, digest Bytes,
        version Int, created_at Int, updated_at Int, erased_at Int),
    table!(order_user by "order_id": order_id Int, user_id Int),
    table!(order_queue by "order_id": order_id Int, allow_backorder Int, hold_ms Int,
        queued_at Int),
    table!(fill_rest by "item_id, location_id": item_id Int, location_id Int),
    table!(journal by "seq": seq Int, at Int, kind Text, item_id Int, location_id Int,
        level_version Int, d_on_hand Int, d_reserved Int, d_shortfall Int, d_safety Int,
        on_hand Int, reserved Int, shortfall Int, safety Int, effective_at Int, quantity Int,
        order_id Int, line Int, part Int, batch_id Int, account_id Int, idem_key Text,
        content_hash Bytes, reverses Int, data Text),
    table!(channel by "id" sequence: id Int, name Text, kind Text, mode Text, rules Text,
        watermark Int, pulled_at Int, failed_at Int, failure Text, created_at Int, blind_at Int, behind_at Int,
        reconciled_at Int, compared Int, agreed Int, stock_from Int, basis Text),
    table!(channel_drift by "channel_id, cause": channel_id Int, cause Text, listings Int),
    table!(listing by "id" sequence: id Int, channel_id Int, external_id Text, place Text,
        holder Text, item_id Int, sku_text Text, title Text, buffer Int, share_percent Int,
        max_quantity Int, min_quantity Int, seen_at Int),
    table!(listing_key by "channel_id, order_key": channel_id Int, order_key Text,
        listing_id Int),
    table!(push by "channel_id, holder, place": channel_id Int, holder Text, place Text,
        item_id Int, dirty_seq Int, pushed_seq Int, remote_changed Int, baseline Int, taken Int,
        given Int, taken_from Int, given_from Int, taken_until Int, given_until Int,
        confirmed_at Int, sending Int, sending_taken Int, sending_given Int, sending_seq Int,
        sending_until Int, attempts Int, retry_at Int, problem Text, is_urgent Int,
        sold_at Int, seen_at Int, written_on Int, writes Int),
    table!(push_latency by "channel_id, slot_at, bound_ms": channel_id Int, slot_at Int,
        bound_ms Int, sales Int),
    table!(remote_line by "channel_id, order_key, line": channel_id Int, order_key Text,
        line Text, number Int, listing_keys Text),
    table!(deduction by "channel_id, order_key, line, holder, place": channel_id Int,
        order_key Text, line Text, holder Text, place Text, units Int, unsure Int),
    table!(inbox by "id" sequence: id Int, channel_id Int, kind Text, dedupe_key Text,
        sealed Bytes, state Text, received_at Int, attempts Int, retry_at Int, reason Text,
        done_at Int, event Text),
    table!(push_back by "seq": seq Int, channel_id Int, order_id Int, kind Text, state Text,
        attempts Int, retry_at Int, reason Text, ended_at Int),
    table!(follower by "name": name Text, seq Int),
];

/// Tables that stay where they are: the tokens nodes ask channels with, what nodes do now, and
/// how their jobs went. A token lasts for hours and costs one call: a backup that is restored
/// later has no use for it, and a copy of a shop is not to work with the token of the original, nor
/// to sign tokens that the original believes.
pub const OF_THE_NODES: [&str; 4] = ["channel_token", "job_run", "lease", "signing_key"];

impl Table {
    /// The types of its columns.
    pub(crate) fn types(&self) -> Vec<Type> {
        self.columns.iter().map(|(_, kind)| *kind).collect()
    }

    fn texts(&'static self) -> Texts {
        *self.texts.get_or_init(|| self.make())
    }

    fn make(&'static self) -> Texts {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let (table, names) = (self.name, names.join(", "));
        let arrays: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, (_, kind))| format!("${}::{}[]", index + 1, kind.postgres()))
            .collect();
        let resume = if self.sequence {
            format!(
                "select setval('{table}_id_seq', greatest(max(id), (select last_value from {table}_id_seq)),
                        max(id) is not null or (select is_called from {table}_id_seq)) from {table}"
            )
        } else {
            "select 1".to_owned()
        };
        let statement = |name, sqlite: String, postgres: String| -> &'static Statement {
            let (sqlite, postgres) = (&*sqlite.leak(), &*postgres.leak());
            Box::leak(Box::new(Statement { name, sqlite, postgres }))
        };
        let both = |name, text: String| statement(name, text.clone(), text);
        let bulk = Bulk {
            name: "WRITE_TABLE",
            sqlite: format!(
                "insert into {table} ({names}) select * from ({{rows}}) where column1 is not null"
            )
            .leak(),
            columns: self.columns.len(),
            texts: [const { OnceLock::new() }; super::bulk::TEXTS],
        };
        Texts {
            read: both("READ_TABLE", format!("select {names} from {table} order by {}", self.key)),
            count: both("COUNT_TABLE", format!("select count(*) from {table}")),
            write: statement(
                "WRITE_TABLE",
                "select 1 where 0".to_owned(),
                format!(
                    "insert into {table} ({names}) select * from unnest({})",
                    arrays.join(", ")
                ),
            ),
            bulk: Box::leak(Box::new(bulk)),
            clear: both("CLEAR_TABLE", format!("delete from {table}")),
            resume: statement("RESUME_IDS", "select 1".to_owned(), resume),
        }
    }
}

/// All texts, to be prepared by a test.
pub(super) fn statements() -> impl Iterator<Item = &'static Statement> {
    TABLES.iter().flat_map(|table| {
        let texts = table.texts();
        [texts.read, texts.count, texts.write, texts.clear, texts.resume]
    })
}

/// The texts with rows, to be prepared by a test.
pub(super) fn bulks() -> impl Iterator<Item = &'static Bulk> {
    TABLES.iter().map(|table| table.texts().bulk)
}

/// How many rows a table has.
pub(crate) async fn count(conn: &mut Conn<'_>, table: &'static Table) -> Result<i64, StoreError> {
    conn.one(table.texts().count, args![]).await?.int(0)
}

/// The rows of a table in their order, as they come.
pub(crate) fn rows<'c>(
    conn: &'c mut Conn<'_>,
    table: &'static Table,
) -> Result<BoxStream<'c, Result<Vec<Arg>, StoreError>>, StoreError> {
    let statement = table.texts().read;
    let cells = |row: Row| -> Result<Vec<Arg>, StoreError> {
        table.columns.iter().enumerate().map(|(index, (_, kind))| row.cell(index, *kind)).collect()
    };
    Ok(match conn {
        Conn::Sqlite(conn) => {
            let arguments = sqlite_arguments(args![])?;
            let query = sqlx::query_with::<Sqlite, _>(statement.sqlite, arguments);
            let rows = query.fetch(&mut **conn);
            rows.map(move |row| cells(Row::Sqlite(statement.name, row?))).boxed()
        }
        Conn::Postgres(conn) => {
            let arguments = postgres_arguments(args![])?;
            let query = sqlx::query_with::<Postgres, _>(statement.postgres, arguments);
            let rows = query.fetch(&mut **conn);
            rows.map(move |row| cells(Row::Postgres(statement.name, row?))).boxed()
        }
    })
}

/// Rows on their way into a table, some at a time: bounded in number and in bytes.
#[derive(Debug)]
pub(crate) struct Filling {
    table: &'static Table,
    types: Vec<Type>,
    rows: Rows,
    bytes: usize,
}

impl Filling {
    /// Nothing yet.
    pub(crate) fn of(table: &'static Table) -> Self {
        let types = table.types();
        let rows = Rows::new(&types);
        Self { table, types, rows, bytes: 0 }
    }

    /// One more row, whose cells are of the types of the table.
    pub(crate) async fn add(
        &mut self,
        conn: &mut Conn<'_>,
        row: Vec<Arg>,
    ) -> Result<(), StoreError> {
        self.bytes += row.iter().map(Arg::bytes).sum::<usize>();
        self.rows.push_cells(row);
        if self.rows.len() < ROWS_MAX && self.bytes < BYTES_MAX {
            return Ok(());
        }
        self.write(conn).await
    }

    /// Writes what is left.
    pub(crate) async fn end(mut self, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        self.write(conn).await
    }

    async fn write(&mut self, conn: &mut Conn<'_>) -> Result<(), StoreError> {
        self.bytes = 0;
        let rows = std::mem::replace(&mut self.rows, Rows::new(&self.types));
        let texts = self.table.texts();
        conn.write_rows([(texts.write, texts.bulk, rows)]).await
    }
}

/// New ids go on after those that were written. A sequence never goes back: it is not
/// part of the transaction, which may yet come to nothing.
pub(crate) async fn resume_ids(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    for table in TABLES.iter().filter(|table| table.sequence) {
        conn.one(table.texts().resume, args![]).await?;
    }
    Ok(())
}

// What keeps the journal from being emptied stands aside for one transaction, in
// which no other can write: the locks of the file and of the table see to that.
statement!(
    OPEN_JOURNAL,
    sqlite "drop trigger journal_no_delete",
    postgres "alter table journal disable trigger user"
);
statement!(
    CLOSE_JOURNAL,
    sqlite "create trigger journal_no_delete before delete on journal
begin
  select raise(abort, 'the journal is append-only');
end",
    postgres "alter table journal enable trigger user"
);
statement!(
    REOPEN_SHOP,
    sqlite "drop trigger if exists shop_moved",
    postgres "drop trigger if exists shop_moved on journal"
);

static LOCK: OnceLock<&'static Statement> = OnceLock::new();
static EMPTY: OnceLock<&'static Statement> = OnceLock::new();

/// The names of all tables, and of those of the nodes that belong to what is in them, for a
/// statement about them together.
fn names() -> String {
    let names = TABLES.iter().map(|table| table.name);
    names.chain([channel_tokens::TABLE, signing_keys::TABLE]).collect::<Vec<_>>().join(", ")
}

/// Nobody else reads or writes a shop until the transaction ends; on SQLite nobody
/// else writes anyway.
fn lock_text() -> &'static Statement {
    LOCK.get_or_init(|| {
        let postgres = format!("lock table {} in access exclusive mode", names());
        let (sqlite, postgres) = ("select 1", &*postgres.leak());
        Box::leak(Box::new(Statement { name: "LOCK_TABLES", sqlite, postgres }))
    })
}

fn empty_text() -> &'static Statement {
    EMPTY.get_or_init(|| {
        let (sqlite, postgres) = ("select 1", &*format!("truncate table {}", names()).leak());
        Box::leak(Box::new(Statement { name: "EMPTY_TABLES", sqlite, postgres }))
    })
}

/// Keeps everybody else out until the transaction ends.
pub(crate) async fn lock(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    conn.execute(lock_text(), args![]).await.map(drop)
}

/// Empties the tables of a shop; the ids of its channels will be others, so tokens go too.
pub(crate) async fn clear(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    conn.execute(&OPEN_JOURNAL, args![]).await?;
    conn.execute(&REOPEN_SHOP, args![]).await?;
    match conn {
        Conn::Sqlite(_) => {
            channel_tokens::clear(conn).await?;
            signing_keys::clear(conn).await?;
            for table in TABLES.iter().rev() {
                conn.execute(table.texts().clear, args![]).await?;
            }
        }
        // A row that is deleted is looked for among those that referred to it, and the
        // dead ones are in the way: quadratic without an index for each reference.
        Conn::Postgres(_) => conn.execute(empty_text(), args![]).await.map(drop)?,
    }
    conn.execute(&CLOSE_JOURNAL, args![]).await?;
    Ok(())
}

statement!(MARK_MOVED, "update shop set moved_to = $1 where moved_to is null");
// Every fact is in the journal: a shop that cannot write there writes nothing.
statement!(
    REFUSE_WRITES,
    sqlite "create trigger shop_moved before insert on journal
begin
  select raise(abort, 'the shop was moved by db copy');
end",
    postgres "select 1"
);
statement!(MOVED_TO, "select moved_to from shop");

/// Ends a shop whose contents went elsewhere: it refuses to write from now on. Only
/// SQLite is moved from.
pub(crate) async fn mark_moved(conn: &mut Conn<'_>, place: &str) -> Result<(), StoreError> {
    conn.execute_one(&MARK_MOVED, args![place]).await?;
    conn.execute(&REFUSE_WRITES, args![]).await.map(drop)
}

/// Where a shop went, if it was moved.
pub(crate) async fn moved_to(conn: &mut Conn<'_>) -> Result<Option<String>, StoreError> {
    let row = conn.optional(&MOVED_TO, args![]).await?;
    row.map(|row| row.text_opt(0)).transpose().map(Option::flatten)
}

statement!(
    SIZES,
    sqlite "select (select page_count * page_size from pragma_page_count(), pragma_page_size()),
                   (select freelist_count * page_size from pragma_freelist_count(), pragma_page_size())",
    postgres "select pg_database_size(current_database()), null::bigint"
);

/// Bytes of the database, and of these the ones that are free to be used again where
/// that is known.
pub(crate) async fn sizes(conn: &mut Conn<'_>) -> Result<(i64, Option<i64>), StoreError> {
    let row = conn.one(&SIZES, args![]).await?;
    Ok((row.int(0)?, row.int_opt(1)?))
}

// A DDL statement cannot be prepared where what it names is not there, or is there.
pub(super) const STATEMENTS: &[&Statement] =
    &[&MARK_MOVED, &MOVED_TO, &SIZES, &OPEN_JOURNAL, &REOPEN_SHOP];

/// Whether a table is one of the shop, for tests of the list.
pub fn tables() -> Vec<(&'static str, Vec<&'static str>)> {
    let columns = |table: &'static Table| table.columns.iter().map(|(name, _)| *name).collect();
    TABLES.iter().map(|table| (table.name, columns(table))).collect()
}
