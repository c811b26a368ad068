//! What the database holds, read past the program: plain SQL on a connection
//! of its own.

use invshop::store::Place;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};

use crate::harness::TestShop;

/// Ordered, held, shipped, shortfall, cancelled and returned units.
pub(crate) type Six = [i64; 6];

/// A connection that knows nothing of the program.
pub(crate) enum Probe {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

enum Found {
    Sqlite(Vec<SqliteRow>),
    Postgres(Vec<PgRow>),
}

macro_rules! cells {
    ($found:expr, $kind:ty) => {
        match $found {
            Found::Sqlite(rows) => cells!(rows => $kind),
            Found::Postgres(rows) => cells!(rows => $kind),
        }
    };
    ($rows:ident => $kind:ty) => {
        $rows.iter().map(|row| (0..row.len()).map(|at| row.get::<$kind, _>(at)).collect()).collect()
    };
}

impl Probe {
    /// Connects to a database.
    pub(crate) async fn connect(place: &Place) -> Self {
        match place {
            Place::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path).foreign_keys(true);
                Self::Sqlite(options.connect().await.unwrap())
            }
            Place::Postgres(url) => Self::Postgres(PgConnection::connect(url).await.unwrap()),
        }
    }

    async fn fetch(&mut self, sql: &str) -> Found {
        let query = AssertSqlSafe(sql.to_owned());
        let found = match self {
            Self::Sqlite(conn) => conn.fetch_all(query).await.map(Found::Sqlite),
            Self::Postgres(conn) => conn.fetch_all(query).await.map(Found::Postgres),
        };
        found.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Rows of whole numbers.
    pub(crate) async fn ints(&mut self, sql: &str) -> Vec<Vec<i64>> {
        cells!(self.fetch(sql).await, i64)
    }

    /// Rows of texts.
    pub(crate) async fn texts(&mut self, sql: &str) -> Vec<Vec<String>> {
        cells!(self.fetch(sql).await, String)
    }

    /// Changes something, or is refused; says how many rows.
    pub(crate) async fn change(&mut self, sql: &str) -> Result<u64, sqlx::Error> {
        let query = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(conn) => conn.execute(query).await.map(|done| done.rows_affected()),
            Self::Postgres(conn) => conn.execute(query).await.map(|done| done.rows_affected()),
        }
    }
}

impl TestShop {
    /// A connection past the program.
    pub(crate) async fn probe(&self) -> Probe {
        Probe::connect(&self.opening.place).await
    }

    /// Rows of whole numbers.
    pub(crate) async fn ints(&self, sql: &str) -> Vec<Vec<i64>> {
        self.probe().await.ints(sql).await
    }

    /// One whole number.
    pub(crate) async fn int(&self, sql: &str) -> i64 {
        self.ints(sql).await[0][0]
    }

    /// Rows of texts.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<Vec<String>> {
        self.probe().await.texts(sql).await
    }

    /// On hand, reserved, shortfall and safety; zeros while nothing ever stood there.
    pub(crate) async fn level(&self, name: &str, location: &str) -> [i64; 4] {
        let sql = format!(
            "select l.on_hand, l.reserved, l.shortfall, l.safety from level as l
             join item_sku as s on s.item_id = l.item_id
             join location as p on p.id = l.location_id
             where s.sku = '{name}' and p.code = '{location}'"
        );
        let rows = self.ints(&sql).await;
        rows.first().map_or([0; 4], |row| row.as_slice().try_into().unwrap())
    }

    /// The version of a level.
    pub(crate) async fn version(&self, name: &str, location: &str) -> i64 {
        let sql = format!(
            "select l.version from level as l join item_sku as s on s.item_id = l.item_id
             join location as p on p.id = l.location_id
             where s.sku = '{name}' and p.code = '{location}'"
        );
        self.int(&sql).await
    }

    /// What is offered of an item: the sum over the locations it is sold from.
    pub(crate) async fn atp(&self, name: &str) -> i64 {
        let sql = format!(
            "select l.on_hand - l.reserved - l.safety - l.shortfall from level as l
             join item_sku as s on s.item_id = l.item_id
             join location as p on p.id = l.location_id
             where s.sku = '{name}' and p.sellable = 1"
        );
        self.ints(&sql).await.iter().map(|row| row[0].max(0)).sum()
    }

    /// An order's status and its counts.
    pub(crate) async fn order(&self, id: &str) -> (String, Six) {
        let (source, id) = id.split_once(':').unwrap_or(("cli", id));
        let whose = format!("from orders where source = '{source}' and external_id = '{id}'");
        let status = self.texts(&format!("select status {whose}")).await;
        let counts =
            format!("select ordered, held, shipped, shortfall, cancelled, returned {whose}");
        let counts = self.ints(&counts).await;
        (status[0][0].clone(), counts[0].as_slice().try_into().unwrap())
    }

    /// The counts of a line.
    pub(crate) async fn line(&self, id: &str, line: i64) -> Six {
        let (source, id) = id.split_once(':').unwrap_or(("cli", id));
        let sql = format!(
            "select l.ordered, l.held, l.shipped, l.shortfall, l.cancelled, l.returned
             from order_line as l join orders as o on o.id = l.order_id
             where o.source = '{source}' and o.external_id = '{id}' and l.line = {line}"
        );
        self.ints(&sql).await[0].as_slice().try_into().unwrap()
    }

    /// The counts of each part of a bundle line.
    pub(crate) async fn parts(&self, id: &str, line: i64) -> Vec<Six> {
        let sql = format!(
            "select p.ordered, p.held, p.shipped, p.shortfall, p.cancelled, p.returned
             from order_part as p join orders as o on o.id = p.order_id
             where o.external_id = '{id}' and p.line = {line} order by p.part"
        );
        let rows = self.ints(&sql).await;
        rows.iter().map(|row| row.as_slice().try_into().unwrap()).collect()
    }

    /// What of an order's line stands at a location: held, shipped, owed.
    pub(crate) async fn at(&self, id: &str, line: i64, location: &str) -> [i64; 3] {
        let (source, id) = id.split_once(':').unwrap_or(("cli", id));
        let sql = format!(
            "select cast(coalesce(sum(a.held), 0) as bigint),
                    cast(coalesce(sum(a.shipped), 0) as bigint),
                    cast(coalesce(sum(a.shortfall), 0) as bigint)
             from allocation as a join orders as o on o.id = a.order_id
             join location as p on p.id = a.location_id
             where o.source = '{source}' and o.external_id = '{id}' and a.line = {line}
               and p.code = '{location}'"
        );
        self.ints(&sql).await[0].as_slice().try_into().unwrap()
    }

    /// The number of the newest journal entry.
    pub(crate) async fn newest(&self) -> i64 {
        self.int("select max(seq) from journal").await
    }

    /// The kinds of the entries after a number, in order.
    pub(crate) async fn kinds_after(&self, seq: i64) -> Vec<String> {
        let sql = format!("select kind from journal where seq > {seq} order by seq");
        self.texts(&sql).await.into_iter().map(|mut row| row.remove(0)).collect()
    }

    /// How many entries of a kind there are.
    pub(crate) async fn count_of(&self, kind: &str) -> i64 {
        self.int(&format!("select count(*) from journal where kind = '{kind}'")).await
    }

    /// Whether an entry after a number asks for a review of this kind.
    pub(crate) async fn reviews_after(&self, seq: i64, review: &str) -> i64 {
        let sql = format!(
            "select count(*) from journal
             where seq > {seq} and kind = 'order.updated' and data like '%\"review\":\"{review}\"%'"
        );
        self.int(&sql).await
    }

    /// Everything that must be true of any database at rest, in plain SQL.
    pub(crate) async fn audit(&self) {
        let mut probe = self.probe().await;
        for (what, sql) in AUDIT {
            assert_eq!(probe.ints(sql).await, vec![vec![0]], "{what}");
        }
    }
}

/// What must be true, and a count of where it is not.
const AUDIT: &[(&str, &str)] = &[
    (
        "journal numbers are dense and begin at 1",
        "select count(*) - coalesce(max(seq), 0) from journal",
    ),
    (
        "the time of entries never decreases",
        "select count(*) from journal as a join journal as b on b.seq = a.seq + 1 where b.at < a.at",
    ),
    (
        "each movement's totals are the sums of the movements up to it",
        "select count(*) from (
           select on_hand - sum(d_on_hand) over whole as a, reserved - sum(d_reserved) over whole as b,
                  shortfall - sum(d_shortfall) over whole as c, safety - sum(d_safety) over whole as d,
                  level_version - row_number() over whole as e
           from journal where level_version is not null
           window whole as (partition by item_id, location_id order by seq)) as t
         where a <> 0 or b <> 0 or c <> 0 or d <> 0 or e <> 0",
    ),
    (
        "a level is the fold of its movements",
        "select count(*) from (
           select l.item_id from level as l
           left join journal as j on j.item_id = l.item_id and j.location_id = l.location_id
             and j.level_version is not null
           group by l.item_id, l.location_id, l.on_hand, l.reserved, l.shortfall, l.safety, l.version
           having l.on_hand <> coalesce(sum(j.d_on_hand), 0)
             or l.reserved <> coalesce(sum(j.d_reserved), 0)
             or l.shortfall <> coalesce(sum(j.d_shortfall), 0)
             or l.safety <> coalesce(sum(j.d_safety), 0) or l.version <> count(j.seq)) as t",
    ),
    (
        "R15: a level's reserved and shortfall are what open allocations hold and are owed",
        "select count(*) from level as l
         where l.reserved <> (select coalesce(sum(a.held), 0) from allocation as a
                              where a.item_id = l.item_id and a.location_id = l.location_id)
            or l.shortfall <> (select coalesce(sum(a.shortfall), 0) from allocation as a
                               where a.item_id = l.item_id and a.location_id = l.location_id)",
    ),
    (
        "no allocation stands where there is no level",
        "select count(*) from allocation as a
         where (a.held > 0 or a.shortfall > 0) and not exists (
           select 1 from level as l where l.item_id = a.item_id and l.location_id = a.location_id)",
    ),
    (
        "an order's counts are the sums of its lines",
        "select count(*) from (
           select o.id from orders as o left join order_line as l on l.order_id = o.id
           group by o.id, o.ordered, o.held, o.shipped, o.shortfall, o.cancelled, o.returned
           having o.ordered <> coalesce(sum(l.ordered), 0) or o.held <> coalesce(sum(l.held), 0)
             or o.shipped <> coalesce(sum(l.shipped), 0)
             or o.shortfall <> coalesce(sum(l.shortfall), 0)
             or o.cancelled <> coalesce(sum(l.cancelled), 0)
             or o.returned <> coalesce(sum(l.returned), 0)) as t",
    ),
    (
        "what a line of ours holds and is owed stands at locations",
        "select count(*) from order_line as l
         where l.fulfilled_by = 'ledger' and l.item_id is not null and l.bundle = 0
           and (l.held <> (select coalesce(sum(a.held), 0) from allocation as a
                           where a.order_id = l.order_id and a.line = l.line)
             or l.shortfall <> (select coalesce(sum(a.shortfall), 0) from allocation as a
                                where a.order_id = l.order_id and a.line = l.line))",
    ),
    (
        "what a part of a bundle holds and is owed stands at locations",
        "select count(*) from order_part as p
         join order_line as l on l.order_id = p.order_id and l.line = p.line
         where l.fulfilled_by = 'ledger'
           and (p.held <> (select coalesce(sum(a.held), 0) from allocation as a
                           where a.order_id = p.order_id and a.line = p.line and a.part = p.part)
             or p.shortfall <> (select coalesce(sum(a.shortfall), 0) from allocation as a
                                where a.order_id = p.order_id and a.line = p.line
                                  and a.part = p.part))",
    ),
];
