//! What DROP TABLE ... CASCADE takes with a table, and `pg_dump --table` leaves out.

use serde::Serialize;
use tokio_postgres::Client;

use super::catalog_query;
use crate::data::error::{DataError, Result};
use crate::pg::TableName;

const QUERY: &str = include_str!("dependents.sql");

/// What else must be dumped so that some tables can come back as they were after a DROP TABLE ...
/// CASCADE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Dependents {
    /// Relations to be named to pg_dump by further `--table` arguments: views on the tables and
    /// views on those, materialized views, partitions, children.
    #[serde(skip)]
    pub relations: Vec<TableName>,
    /// Statements that bring the rest, to be run after the dump and in its transaction. Every name
    /// is qualified.
    pub sql: String,
    /// Lines of pg_dump's output to be left out, each where it first stands: it attaches a
    /// partition that is dumped without its parent before it adds the primary key, and so ends in
    /// "multiple primary keys". `sql` attaches it, and with it its indexes.
    pub without: Vec<String>,
    /// What would go and can't be brought back this way: a dump with dependents must fail and name
    /// these.
    pub unknown: Vec<String>,
    /// What `relations` and `sql` bring, for people:
    /// `foreign key payments_order_id_fkey on shop.payments`.
    pub summary: Vec<String>,
}

impl Dependents {
    /// Looks for all that depends on `tables`, directly or not; works on a standby too.
    ///
    /// The session must not be in a transaction. An error if one of the tables does not exist.
    pub async fn read(client: &Client, tables: &[TableName]) -> Result<Dependents> {
        Dependents::read_of(client, tables, &[]).await
    }

    /// Looks for all outside of `schemas` that depends on what is in them: what DROP SCHEMA ...
    /// CASCADE takes and `pg_dump --schema` leaves out.
    pub async fn read_of_schemas(client: &Client, schemas: &[String]) -> Result<Dependents> {
        Dependents::read_of(client, &[], schemas).await
    }

    async fn read_of(client: &Client, tables: &[TableName], schemas: &[String]) -> Result<Dependents> {
        let doing = "looking for what depends on the tables";
        let mut found = Dependents::default();
        for row in catalog_query::ask_of(client, tables, schemas, QUERY, doing).await? {
            let [what, first, name, sql, ..] = row.as_slice() else {
                return Err(DataError::Answer { doing: doing.to_owned(), what: format!("{row:?}") });
            };
            match what.as_str() {
                "relation" => {
                    let table = TableName { schema: Some(first.clone()), name: name.clone() };
                    found.summary.push(format!("{sql} {table}"));
                    found.relations.push(table);
                }
                "sql" => {
                    found.summary.push(first.clone());
                    found.sql.push_str(sql);
                    found.sql.push('\n');
                }
                "without" => found.without.push(first.clone()),
                "unknown" => found.unknown.push(first.clone()),
                _ => {
                    let number = first.parse::<usize>().ok().and_then(|number| tables.get(number.wrapping_sub(1)));
                    let missing = |table: &TableName| DataError::Missing { table: table.clone() };
                    let odd = || DataError::Answer { doing: doing.to_owned(), what: format!("{row:?}") };
                    return Err(number.map_or_else(odd, missing));
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Catalog;
    use crate::testing::Server;

    const EVERYTHING: &str = include_str!("testing.sql");

    /// DROP TABLE ... CASCADE, then what pg_dump and `Dependents` had said: the catalog is as
    /// before.
    async fn there_and_back(tables: &[&str]) -> Dependents {
        let server = Server::start().await;
        let client = server.connect("postgres").await;
        let major = catalog_query::major(&client).await.expect("a version");
        client.batch_execute(&catalog_query::for_version(EVERYTHING, major)).await.expect("the schema");
        let names: Vec<TableName> = tables.iter().map(|table| table.parse().expect("a name")).collect();
        let before = Catalog::read(&client, &names).await.expect("the catalog");
        assert_eq!(before.absent, Vec::<String>::new());
        let dependents = Dependents::read(&client, &names).await.expect("the dependents");
        assert_eq!(dependents.unknown, Vec::<String>::new());

        let mut args = vec!["-d".to_owned(), "postgres".to_owned()];
        args.extend(names.iter().chain(&dependents.relations).map(|table| format!("--table={}", table.quoted())));
        let dumped = server.program("pg_dump", &args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        let file = server.dir().join("dump.sql");
        let mut dump = String::from_utf8(dumped.stdout).expect("UTF-8");
        for line in &dependents.without {
            assert!(dump.contains(&format!("\n{line}\n")), "{line} in {dump}");
            dump = dump.replacen(&format!("\n{line}\n"), "\n\n", 1);
        }
        std::fs::write(&file, dump + &dependents.sql).expect("the file");
        for table in &names {
            client.batch_execute(&format!("drop table {} cascade", table.quoted())).await.expect("the accident");
        }
        let gone = Catalog::compare(&before, &Catalog::read(&client, &names).await.expect("the catalog"));
        assert!(
            gone.iter().any(|difference| difference.to_string() == format!("- table {} is missing", tables[0])),
            "{gone:?}"
        );

        let restored = server.program(
            "psql",
            &["-X", "-1", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-f", &file.display().to_string()],
        );
        assert!(restored.status.success(), "{}\n{}", String::from_utf8_lossy(&restored.stderr), dependents.sql);
        let after = Catalog::read(&client, &names).await.expect("the catalog");
        let differences: Vec<String> = Catalog::compare(&before, &after).iter().map(ToString::to_string).collect();
        assert!(differences.is_empty(), "{}", differences.join("\n"));
        dependents
    }

    #[tokio::test]
    async fn a_table_comes_back_with_all_that_a_cascade_took() {
        let dependents = there_and_back(&["shop.orders"]).await;
        let expected = [
            "table shop.\"Old Orders\"",
            "view shop.open_orders",
            "materialized view shop.totals",
            "view other.of_totals",
            "function shop.price(shop.orders)",
            "default of column ticket of other.tickets",
            "statistics object other.orders_stats on shop.orders",
            "rule log_lines on shop.lines",
            "policy of_open_orders on shop.lines",
            "table shop.orders in publication part_of_it",
            "table shop.orders in publication filtered",
            "foreign key lines_order_fkey on shop.lines",
            "foreign key \"Not yet\" on other.tickets",
        ];
        let missing: Vec<_> = expected
            .iter()
            .filter(|one| !one.ends_with("filtered"))
            .filter(|one| !dependents.summary.iter().any(|told| told == *one))
            .collect();
        assert!(missing.is_empty(), "{missing:?} are missing in {:#?}", dependents.summary);
        // Row filters came with 15.
        let told = |one: &&String| expected.contains(&one.as_str());
        assert_eq!(dependents.summary.iter().find(|one| !told(one)), None);
    }

    #[tokio::test]
    async fn a_partitioned_table_comes_back_with_its_partitions() {
        let dependents = there_and_back(&["shop.visits"]).await;
        for partition in [
            "table shop.visits_1",
            "table shop.visits_2",
            "table shop.visits_2a",
            "foreign key told_visit_fkey on shop.told",
        ] {
            assert!(dependents.summary.iter().any(|told| told == partition), "{partition}: {:#?}", dependents.summary);
        }
    }

    #[tokio::test]
    async fn a_partition_alone_is_attached_again() {
        let dependents = there_and_back(&["shop.visits_1"]).await;
        assert_eq!(
            dependents.summary,
            [
                "table shop.visits_1 as a partition of shop.visits",
                "table shop.visits_1 in publication part_of_it",
                // It refers to the parent, and yet DROP TABLE of a partition takes it.
                "foreign key told_visit_fkey on shop.told",
            ]
        );
    }

    #[tokio::test]
    async fn a_foreign_key_between_two_dumped_tables_is_pg_dumps() {
        let dependents = there_and_back(&["shop.orders", "shop.lines"]).await;
        assert!(!dependents.sql.contains("lines_order_fkey"), "{}", dependents.sql);
    }

    #[tokio::test]
    async fn what_cannot_be_brought_back_is_named() {
        let server = Server::start().await;
        let client = server.connect("postgres").await;
        let schema = "create table t(a int); create table u(b int, c t); create domain d as t; create cast (t as text) with inout";
        client.batch_execute(schema).await.expect("the schema");
        let table: TableName = "t".parse().expect("a name");
        let mut unknown = Dependents::read(&client, &[table]).await.expect("the dependents").unknown;
        unknown.sort();
        assert_eq!(unknown, ["cast (public.t AS pg_catalog.text)", "table column public.u.c", "type public.d"]);

        let absent: TableName = "shop.nothing".parse().expect("a name");
        let error = Dependents::read(&client, &[absent]).await.expect_err("no such table");
        assert_eq!(error.to_string(), "table shop.nothing does not exist in this database");
    }
}
