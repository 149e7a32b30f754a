use super::*;
use crate::data::told;
use crate::testing::Server;

#[tokio::test]
async fn what_changed_is_told_line_by_line() {
    let server = Server::start().await;
    let client = server.connect("postgres").await;
    let schema = "create schema shop; create table shop.a(id serial primary key, x int, note varchar(9) check (note in ('y', 'n')));
        create table shop.b(a_id int references shop.a); create index on shop.a (x); insert into shop.a(x) values (1), (2)";
    client.batch_execute(schema).await.expect("the schema");
    let tables: Vec<TableName> = ["shop.a", "shop.nothing"].iter().filter_map(|name| name.parse().ok()).collect();
    let before = Catalog::read(&client, &tables).await.expect("the catalog");
    assert_eq!(before.absent, ["shop.nothing"]);
    let again = Catalog::read(&client, &tables).await.expect("the catalog");
    assert_eq!(Catalog::compare(&before, &again), []);

    // As a dump and a restore leave them: a longer way to say the same, and a sequence that went
    // on.
    let harmless = "alter table shop.a drop constraint a_note_check, add constraint a_note_check
            check (note::text = any (array['y'::varchar::text, 'n'::varchar::text]));
        insert into shop.a(x) values (3)";
    client.batch_execute(harmless).await.expect("the change");
    let after = Catalog::read(&client, &tables).await.expect("the catalog");
    assert_eq!(Catalog::compare(&before, &after), []);
    assert_eq!(before.facts.iter().filter(|fact| !after.facts.contains(fact)).count(), 1);

    let harm = "alter table shop.b drop constraint b_a_id_fkey; alter table shop.a alter x type bigint, add y int;
        drop index shop.a_x_idx; select setval('shop.a_id_seq', 1)";
    client.batch_execute(harm).await.expect("the change");
    let after = Catalog::read(&client, &tables).await.expect("the catalog");
    let mut told: Vec<String> = Catalog::compare(&before, &after).iter().map(ToString::to_string).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "+ column y of shop.a: integer",
            "- column x of shop.a: integer\n+ column x of shop.a: bigint",
            "- inbound foreign key b_a_id_fkey on shop.b of shop.a: FOREIGN KEY (a_id) REFERENCES shop.a(id)",
            "- index shop.a_x_idx of shop.a: CREATE INDEX a_x_idx ON shop.a USING btree (x)",
            "- sequence position of shop.a_id_seq: 2\n+ sequence position of shop.a_id_seq: 1, but shop.a.id goes to 3: the next inserts get numbers that are taken",
        ]
    );
}

/// What the server keeps for itself beside what people set: of a table, its TOAST, columns,
/// indexes, constraints and a view.
#[tokio::test]
async fn what_nobody_can_set_is_not_compared() {
    let server = Server::start().await;
    let client = server.connect("postgres").await;
    let schema = "create table t (a int primary key with (fillfactor = 80), b text) with (fillfactor = 70, toast.autovacuum_enabled = off);
        alter table t alter a set (n_distinct = 5); create index t_b on t (b) with (fillfactor = 60); create index t_a on t (a);
        create view v with (security_barrier) as select a from t";
    client.batch_execute(schema).await.expect("the schema");
    let tables: Vec<TableName> = ["t"].iter().filter_map(|name| name.parse().ok()).collect();
    let before = Catalog::read(&client, &tables).await.expect("the catalog");
    let kept = "set allow_system_table_mods = on;
        update pg_attribute set attoptions = array['kept_since=7'] || attoptions || array['kept=''x'] where attrelid = 't'::regclass and attnum > 0;
        update pg_class set reloptions = array['kept_since=7'] || reloptions where relname in ('t', 'v', 't_pkey', 't_b', 't_a')
            or oid = (select reltoastrelid from pg_class where relname = 't')";
    client.batch_execute(kept).await.expect("the server's own");
    let after = Catalog::read(&client, &tables).await.expect("the catalog");
    assert_eq!(told(&Catalog::compare(&before, &after)), Vec::<String>::new());
    let own: Vec<_> = after.not_compared.iter().filter(|option| !before.not_compared.contains(option)).collect();
    assert_eq!(
        own,
        ["column option kept", "column option kept_since", "storage parameter kept_since", "view option kept_since"]
    );

    let lost =
        "update pg_attribute set attoptions = array['kept_since=8'] where attrelid = 't'::regclass and attname = 'a';
        update pg_class set reloptions = array['kept_since=8'] where relname in ('t', 'v', 't_pkey', 't_b')
            or oid = (select reltoastrelid from pg_class where relname = 't')";
    client.batch_execute(lost).await.expect("the change");
    let after = Catalog::read(&client, &tables).await.expect("the catalog");
    assert_eq!(
        told(&Catalog::compare(&before, &after)),
        [
            "- storage parameters of public.t: fillfactor=70",
            "- storage parameters toast of public.t: autovacuum_enabled=off",
            "- storage parameters of public.v: security_barrier=true",
            "- column a of public.t: integer not null options n_distinct=5",
            "+ column a of public.t: integer not null",
            "- constraint t_pkey of public.t: PRIMARY KEY (a) WITH (fillfactor=80)",
            "+ constraint t_pkey of public.t: PRIMARY KEY (a)",
            "- index public.t_b of public.t: CREATE INDEX t_b ON public.t USING btree (b) WITH (fillfactor='60')",
            "+ index public.t_b of public.t: CREATE INDEX t_b ON public.t USING btree (b)",
        ]
    );
}

/// A line of losses.sql before each case.
const LOST: &str = "-- lost: ";

/// Each kind of thing is lost alone, and what a user reads is just that.
#[tokio::test]
async fn each_kind_is_missed_alone() {
    let server = Server::start().await;
    let client = server.connect("postgres").await;
    let major = catalog_query::major(&client).await.expect("a version");
    // In the data directory: no other is needed.
    client.batch_execute("set allow_in_place_tablespaces = on").await.expect("a setting");
    client.batch_execute("create tablespace elsewhere location ''").await.expect("a tablespace");

    let all = include_str!("../losses.sql");
    let (schema, cases) = all.split_once(LOST).expect("cases");
    client.batch_execute(&catalog_query::for_version(schema, major)).await.expect("the schema");
    let names = [
        "shop.items",
        "shop.supplies",
        "shop.visits",
        "shop.pairs",
        "shop.lines",
        "shop.plain",
        "shop.duty",
        "shop.orders",
    ];
    let tables: Vec<TableName> = names.iter().filter_map(|name| name.parse().ok()).collect();
    let before = Catalog::read(&client, &tables).await.expect("the catalog");
    assert_eq!(before.absent, Vec::<String>::new());
    let again = before.tables_again(&tables);

    let mut wrong = String::new();
    for case in cases.split(LOST) {
        let (name, rest) = case.split_once('\n').expect("statements");
        if catalog_query::for_version(name, major).is_empty() {
            continue;
        }
        let rest = catalog_query::for_version(rest, major);
        let (lines, statements): (Vec<&str>, Vec<&str>) = rest.lines().partition(|line| line.starts_with("--| "));
        let expected: Vec<&str> = lines.iter().map(|line| line[4..].split(" -- ").next().unwrap_or_default()).collect();
        let ask = async |batch: &str| {
            let answer = client.simple_query(batch).await.unwrap_or_else(|e| panic!("{name}: {e:?}"));
            catalog_query::texts(answer, READING).expect("rows")
        };
        let change = format!("begin; {};\n{}", statements.join("\n"), catalog_query::question(&again, QUERY, major));
        let rows = ask(&change).await.into_iter().skip(1).collect();
        let mut after = Catalog::of(rows, &again).expect("a catalog");
        let positions = ask(&sequences::question(&after.sequences).expect("sequences")).await;
        sequences::answer(&mut after.sequences, positions).expect("positions");
        client.batch_execute("rollback").await.expect("undone");
        let seen: Vec<String> = told(&Catalog::compare(&before, &after));
        let seen = seen.join("\n");
        if seen.is_empty() || seen != expected.join("\n") {
            let seen: String = seen.lines().map(|line| format!("--| {line}\n")).collect();
            wrong += &format!("{LOST}{name}\n{}\n{seen}", statements.join("\n").trim_end());
        }
    }
    assert!(wrong.is_empty(), "not as losses.sql says:\n{wrong}");
}
