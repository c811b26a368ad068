//! A connection that is not the shop's: what a test reads with it was committed.

use invshop::store::Place;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _};

/// A connection of the test's own.
pub(crate) enum Raw {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Raw {
    /// Connects beside the shop.
    pub(crate) async fn open(place: &Place) -> Self {
        match place {
            Place::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path);
                Self::Sqlite(options.connect().await.unwrap())
            }
            Place::Postgres(url) => Self::Postgres(PgConnection::connect(url).await.unwrap()),
        }
    }

    /// The rows of a query of one text column, sorted.
    pub(crate) async fn texts(&mut self, query: &str) -> Vec<String> {
        let query = AssertSqlSafe(query.to_owned());
        let mut rows: Vec<String> = match self {
            Self::Sqlite(conn) => sqlx::query_scalar(query).fetch_all(conn).await.unwrap(),
            Self::Postgres(conn) => sqlx::query_scalar(query).fetch_all(conn).await.unwrap(),
        };
        rows.sort_unstable();
        rows
    }

    /// How the database would run a query.
    pub(crate) async fn plan(&mut self, query: &str) -> String {
        let lines: Vec<String> = match self {
            Self::Sqlite(conn) => {
                let explain = AssertSqlSafe(format!("explain query plan {query}"));
                let rows = sqlx::query(explain).fetch_all(conn).await.unwrap();
                rows.iter().map(|row| row.get("detail")).collect()
            }
            Self::Postgres(conn) => {
                let explain = AssertSqlSafe(format!("explain {query}"));
                sqlx::query_scalar(explain).fetch_all(conn).await.unwrap()
            }
        };
        lines.join("\n")
    }

    /// The number a query gives.
    pub(crate) async fn number(&mut self, query: &str) -> i64 {
        let query = AssertSqlSafe(query.to_owned());
        match self {
            Self::Sqlite(conn) => sqlx::query_scalar(query).fetch_one(conn).await.unwrap(),
            Self::Postgres(conn) => sqlx::query_scalar(query).fetch_one(conn).await.unwrap(),
        }
    }

    /// Runs statements for what they do.
    pub(crate) async fn execute(&mut self, statements: &str) {
        let statements = AssertSqlSafe(statements.to_owned());
        match self {
            Self::Sqlite(conn) => drop(conn.execute(statements).await.unwrap()),
            Self::Postgres(conn) => drop(conn.execute(statements).await.unwrap()),
        }
    }

    /// What the database says against statements that it must refuse.
    pub(crate) async fn refuses(&mut self, statements: &str) -> String {
        let statements = AssertSqlSafe(statements.to_owned());
        match self {
            Self::Sqlite(conn) => conn.execute(statements).await.unwrap_err().to_string(),
            Self::Postgres(conn) => conn.execute(statements).await.unwrap_err().to_string(),
        }
    }
}
