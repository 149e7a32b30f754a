//! A copy reaches nothing of production, and nobody else: whatever its functions and foreign tables
//! try, only what follows production comes through.

use std::os::unix::fs::PermissionsExt;

use super::{FOLLOW, NOTHING, head, runner, settle, site::Site};
use crate::testing::PASSWORD;

/// Production with foreign tables and functions that lead back to it, by TCP and by its socket.
pub async fn with_foreign_tables(site: &Site) {
    let (dir, port) = (site.primary.dir().display(), site.primary.port());
    site.primary
        .sql(&format!(
            "CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw;
             CREATE TABLE touched (by text);
             CREATE FUNCTION touch(way text) RETURNS text LANGUAGE plpgsql AS $$
             DECLARE why text;
             BEGIN
               PERFORM dblink_exec(way, 'INSERT INTO touched VALUES (''dblink'')');
               RETURN 'touched';
             EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL; RETURN why;
             END $$;
             CREATE FUNCTION count_there(relation regclass) RETURNS text LANGUAGE plpgsql AS $$
             DECLARE found text; why text;
             BEGIN
               EXECUTE 'SELECT count(*)::text FROM ' || relation INTO found;
               RETURN found;
             EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL; RETURN why;
             END $$;
             CREATE SERVER by_tcp FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{port}', dbname 'postgres');
             CREATE SERVER by_socket FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{dir}', port '{port}', dbname 'postgres');
             CREATE USER MAPPING FOR public SERVER by_tcp OPTIONS (user 'postgres', password '{PASSWORD}');
             CREATE USER MAPPING FOR public SERVER by_socket OPTIONS (user 'postgres', password '{PASSWORD}');
             CREATE FOREIGN TABLE tcp_t (i int) SERVER by_tcp OPTIONS (table_name 't');
             CREATE FOREIGN TABLE socket_t (i int) SERVER by_socket OPTIONS (table_name 't')",
            PASSWORD = PASSWORD.replace('\'', "''"),
        ))
        .await;
}

/// How production is reached from a function, by TCP and by its socket.
pub fn ways(site: &Site) -> [String; 2] {
    let (dir, port) = (site.primary.dir().display().to_string(), site.primary.port());
    let password = PASSWORD.replace('\'', "\\'");
    ["127.0.0.1".to_owned(), dir]
        .map(|host| format!("host={host} port={port} user=postgres password='{password}' dbname=postgres"))
}

#[tokio::test]
async fn what_runs_in_a_copy_reaches_nobody() {
    let site = Site::start().await;
    with_foreign_tables(&site).await;
    let ways = ways(&site);
    // On production itself all of that works.
    for way in &ways {
        let query = format!("SELECT count(*) FROM touch({}) said WHERE said = 'touched'", literal(way));
        assert_eq!(site.primary.count(&query).await, 1, "{way}");
    }
    site.primary.sql("DELETE FROM touched").await;
    for table in ["tcp_t", "socket_t"] {
        let query = format!("SELECT count(*) FROM count_there('{table}') said WHERE said = '1000'");
        assert_eq!(site.primary.count(&query).await, 1, "{table}");
    }
    site.back_up("monday", &[]);
    site.archive().await;
    let before = site.fingerprint();
    let asked = |query: String, says: &str| {
        format!("    - assert_rows: {{ node: copy, query: {query:?}, equals: [[true]] }}  # {says}\n")
    };
    // Nobody listens at that address in there, and that socket is in no directory.
    let why = ["%127.0.0.1%Connection refused%", "%No such file or directory%"];
    let mut steps = FOLLOW.to_owned();
    for (way, why) in ways.iter().zip(why) {
        steps.push_str(&asked(format!("SELECT touch({}) LIKE '{why}'", literal(way)), "dblink"));
    }
    for (table, why) in ["tcp_t", "socket_t"].into_iter().zip(why) {
        steps.push_str(&asked(format!("SELECT count_there('{table}') LIKE '{why}'"), "postgres_fdw"));
    }
    // The way by which it follows production is no way for SQL, either.
    let by_relay = "touch(regexp_replace(current_setting('primary_conninfo'), 'application_name=''[^'']*''', '') || ' dbname=postgres') LIKE '%no other session%'";
    steps.push_str(&asked(format!("SELECT {by_relay}"), "the relay"));
    let head = format!("network: isolated\n{}", head(&site));
    let run = runner(&site).drill(&format!("{head}{steps}"), &[]).passed();
    assert_eq!(run.fact("tonight", "network").as_str(), Some("isolated"), "{}", run.said);
    let promoted = steps.replace("then: { follow: prod }", "then: promote");
    let promoted: Vec<&str> =
        promoted.lines().filter(|line| !line.contains("prod") && !line.contains("# the relay")).collect();
    runner(&site).drill(&format!("{head}{}\n", promoted.join("\n")), &[]).passed();
    assert_eq!(site.primary.count("SELECT count(*) FROM touched").await, 0);
    settle(&site.primary, "SELECT count(*) FROM pg_stat_replication", 0).await;
    assert_eq!(site.moved_since(&before), NOTHING);
    // Who says so gets a copy that reaches what production reaches.
    let open = head.replace("network: isolated", "network: open");
    let query = format!("SELECT touch({}) = 'touched'", literal(&ways[0]));
    let run = runner(&site).drill(&format!("{open}{FOLLOW}{}", asked(query, "reached")), &[]).passed();
    assert!(run.fact("tonight", "network").as_str().is_some_and(|said| said.starts_with("open: ")), "{}", run.said);
    assert_eq!(site.primary.count("SELECT count(*) FROM touched").await, 1);
}

#[tokio::test]
async fn where_nobody_can_be_cut_off_nothing_is_restored_unless_the_drill_says_so() {
    let site = Site::start().await;
    site.back_up("monday", &[]);
    site.archive().await;
    let runner = runner(&site);
    // As in a container without the right to make namespaces.
    let refuses =
        runner.write("unshare", "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n");
    std::fs::set_permissions(&refuses, PermissionsExt::from_mode(0o755)).expect("permissions");
    let path = format!("{}:{}", runner.path().display(), std::env::var("PATH").expect("a PATH"));
    let runner = runner.var("PATH", &path);
    let drill = format!("{}{FOLLOW}", head(&site));
    let why = "unshare failed: Operation not permitted";
    for drill in [drill.clone(), format!("network: isolated\n{drill}")] {
        runner.drill(&drill, &[]).failed(
            4,
            &[
                "the servers of this drill cannot be cut off from the network",
                why,
                "run drillyard as root",
                "`network: open`",
            ],
        );
    }
    let run = runner.drill(&format!("network: open\n{drill}"), &[]).passed();
    assert!(run.fact("tonight", "network").as_str().is_some_and(|said| said.starts_with("open: ")), "{}", run.said);
}

pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
