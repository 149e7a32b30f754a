//! Which options people can set on columns, tables, views and indexes. What else stands in the
//! catalogs there is the server's own.

/// The table of them, with its source.
const TABLE: &str = include_str!("options.txt");

/// One that the manual documents.
struct Documented<'a> {
    /// What it is set on: `column`, `table`, `view`, or an index access method that comes with
    /// PostgreSQL.
    on: &'a str,
    /// Its name.
    name: &'a str,
}

fn documented() -> impl Iterator<Item = (Documented<'static>, &'static str)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (on, rest) = line.split_once(' ')?;
        let (name, rest) = rest.trim_start().split_once(' ')?;
        Some((Documented { on, name }, rest.trim()))
    })
}

/// All that some version's documentation lets people set, as the catalog's query asks for it:
/// `column.n_distinct table.fillfactor`.
pub(super) fn settable() -> String {
    documented().map(|(one, _)| format!("{}.{}", one.on, one.name)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::catalog::catalog_query;
    use crate::testing::Server;

    #[tokio::test]
    async fn the_server_takes_what_is_documented_for_its_version() {
        let server = Server::start().await;
        let client = server.connect("postgres").await;
        let major = catalog_query::major(&client).await.expect("a version");
        let things = "create table t (a int, d int4range, v int[]); create view v as select a from t;
            create index brin on t using brin (a); create index btree on t (a); create index gin on t using gin (v);
            create index gist on t using gist (d); create index hash on t using hash (a); create index spgist on t using spgist (d)";
        client.batch_execute(things).await.expect("things");
        let mut tried = 0;
        for (Documented { on, name }, rest) in documented() {
            let (versions, value) = rest.split_once(' ').expect("versions and a value");
            let (from, to) = versions.split_once('-').expect("from and to");
            let from: u32 = from.parse().expect("a version");
            if major < from || to.parse().is_ok_and(|to: u32| major > to) {
                continue;
            }
            let target = match on {
                "column" => "table t alter a".to_owned(),
                "table" => "table t".to_owned(),
                "view" => "view v".to_owned(),
                index => format!("index {index}"),
            };
            let set = format!("alter {target} set ({name} = '{}')", value.trim());
            client.batch_execute(&set).await.unwrap_or_else(|e| panic!("{set}: {e:?}"));
            tried += 1;
        }
        assert!(tried > 30, "{tried}");
    }
}
