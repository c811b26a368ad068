//! The two schemas are twins.

use std::collections::BTreeSet;

use crate::harness::{Backend, TestShop, has_postgres};
use crate::probe::Probe;

type Lines = BTreeSet<String>;

fn lines(rows: Vec<Vec<String>>) -> Lines {
    rows.into_iter().map(|row| row.join(" ")).collect()
}

const OURS: &str =
    "m.type = 'table' and m.name not like 'sqlite_%' and m.name <> '_sqlx_migrations'";
const PUBLIC: &str = "n.nspname = 'public' and c.relname <> '_sqlx_migrations'";

/// Table, column, type and whether it may be null. The types of the program are
/// whole numbers, texts and bytes.
async fn columns(probe: &mut Probe) -> Lines {
    let sql = match probe {
        Probe::Sqlite(_) => format!(
            "select m.name, p.name, lower(p.type),
                    case when p.\"notnull\" = 1 or p.pk > 0 then 'set' else 'null' end,
                    case when p.hidden in (2, 3) then 'generated' else 'written' end
             from sqlite_master as m join pragma_table_xinfo(m.name) as p where {OURS}"
        ),
        Probe::Postgres(_) => "select table_name::text, column_name::text,
                    case data_type when 'bigint' then 'integer' when 'bytea' then 'blob'
                      else data_type::text end,
                    case is_nullable when 'NO' then 'set' else 'null' end,
                    case is_generated when 'ALWAYS' then 'generated' else 'written' end
             from information_schema.columns
             where table_schema = 'public' and table_name <> '_sqlx_migrations'"
            .to_owned(),
    };
    lines(probe.texts(&sql).await)
}

/// Table, whether unique, whether partial, and the columns in order.
async fn indexes(probe: &mut Probe) -> Lines {
    let sql = match probe {
        Probe::Sqlite(_) => format!(
            "select m.name, case when i.\"unique\" = 1 then 'unique' else 'many' end,
                    case when i.partial = 1 then 'partial' else 'whole' end,
                    (select group_concat(name, ',') from
                       (select name from pragma_index_info(i.name) order by seqno))
             from sqlite_master as m join pragma_index_list(m.name) as i where {OURS}
             union all
             select m.name, 'unique', 'whole', p.name
             from sqlite_master as m join pragma_table_xinfo(m.name) as p
             where {OURS} and p.pk = 1 and not exists (
               select 1 from pragma_index_list(m.name) as i where i.origin = 'pk')"
        ),
        Probe::Postgres(_) => format!(
            "select c.relname::text, case when i.indisunique then 'unique' else 'many' end,
                    case when i.indpred is not null then 'partial' else 'whole' end,
                    (select string_agg(a.attname, ',' order by k.place)
                     from unnest(i.indkey::int[]) with ordinality as k (number, place)
                     join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.number)
             from pg_index as i join pg_class as c on c.oid = i.indrelid
             join pg_namespace as n on n.oid = c.relnamespace where {PUBLIC}"
        ),
    };
    lines(probe.texts(&sql).await)
}

/// Table, the table it refers to, and the columns.
async fn references(probe: &mut Probe) -> Lines {
    let sql = match probe {
        Probe::Sqlite(_) => format!(
            "select m.name, f.\"table\", group_concat(f.\"from\", ',')
             from sqlite_master as m join pragma_foreign_key_list(m.name) as f where {OURS}
             group by m.name, f.id, f.\"table\""
        ),
        Probe::Postgres(_) => format!(
            "select c.relname::text, t.relname::text,
                    (select string_agg(a.attname, ',' order by k.place)
                     from unnest(o.conkey::int[]) with ordinality as k (number, place)
                     join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.number)
             from pg_constraint as o join pg_class as c on c.oid = o.conrelid
             join pg_class as t on t.oid = o.confrelid
             join pg_namespace as n on n.oid = c.relnamespace where {PUBLIC} and o.contype = 'f'"
        ),
    };
    lines(probe.texts(&sql).await)
}

/// How many checks each table has, and the names of those that have one.
async fn checks(probe: &mut Probe) -> Lines {
    match probe {
        Probe::Sqlite(_) => {
            let tables = format!("select m.name, m.sql from sqlite_master as m where {OURS}");
            let tables = probe.texts(&tables).await;
            tables.iter().flat_map(|row| checks_of(&row[0], &row[1])).collect()
        }
        Probe::Postgres(_) => {
            let sql = format!(
                "select c.relname::text, count(*)::text from pg_constraint as o
                 join pg_class as c on c.oid = o.conrelid
                 join pg_namespace as n on n.oid = c.relnamespace
                 where {PUBLIC} and o.contype = 'c' group by c.relname
                 union all
                 select c.relname::text, o.conname::text from pg_constraint as o
                 join pg_class as c on c.oid = o.conrelid
                 join pg_namespace as n on n.oid = c.relnamespace
                 where {PUBLIC} and o.contype in ('c', 'u')
                   and o.conname !~ '_(check[0-9]*|key)$'"
            );
            lines(probe.texts(&sql).await)
        }
    }
}

fn checks_of(table: &str, sql: &str) -> Vec<String> {
    let code: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap()).collect();
    let words: Vec<String> = code.join(" ").split_whitespace().map(str::to_owned).collect();
    let named = words.windows(2).filter(|pair| pair[0] == "constraint");
    let mut found: Vec<String> = named.map(|pair| format!("{table} {}", pair[1])).collect();
    let checks = words.iter().filter(|word| *word == "check").count();
    if checks > 0 {
        found.push(format!("{table} {checks}"));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_have_the_same_schema() {
    if !has_postgres() {
        return;
    }
    let (sqlite, postgres) =
        (TestShop::new(Backend::Sqlite).await, TestShop::new(Backend::Postgres).await);
    let (mut one, mut other) = (sqlite.probe().await, postgres.probe().await);
    let all = columns(&mut one).await;
    assert!(all.contains("orders status text set generated"), "{all:#?}");
    assert!(all.contains("level counted_at integer null written"), "{all:#?}");
    assert_eq!(all, columns(&mut other).await);
    let all = indexes(&mut one).await;
    assert!(all.contains("journal unique partial item_id,location_id,level_version"), "{all:#?}");
    assert!(all.contains("level unique whole item_id,location_id"), "{all:#?}");
    assert_eq!(all, indexes(&mut other).await);
    let all = references(&mut one).await;
    assert!(all.contains("order_part order_line order_id,line"), "{all:#?}");
    assert_eq!(all, references(&mut other).await);
    let all = checks(&mut one).await;
    assert!(all.contains("level level_reserved_on_hand"), "{all:#?}");
    assert_eq!(all, checks(&mut other).await);
    drop((one, other));
    sqlite.end().await;
    postgres.end().await;
}
