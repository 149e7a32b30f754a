//! Production is reached as libpq would reach it: by TLS, services and password files.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::{FOLLOW, NOTHING, head, site::Site};
use crate::cli_runner::CliRunner;
use crate::run::Run;

/// Makes two authorities, a certificate for `localhost` by one of them, and one for the role drill.
const CERTIFICATES: &str = r#"
cd "$1"
for ca in root other; do
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$ca" \
    -keyout $ca.key -out $ca.crt
done
# As the manual makes one: of version 1, without alternative names.
for cn in localhost drill; do
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$cn" -keyout $cn.key -out $cn.csr
  openssl x509 -req -in $cn.csr -CA root.crt -CAkey root.key -CAcreateserial -days 2 -out $cn.crt
done
openssl rsa -aes256 -in drill.key -passout pass:sesame -out locked.key
chmod 600 ./*.key
"#;

/// Has the primary speak TLS, and let in nobody without by TCP.
fn with_tls(site: &Site) {
    let dir = site.dir("tls").display().to_string();
    site.run("mkdir", &[&dir]);
    site.run("sh", &["-euc", CERTIFICATES, "sh", &dir]);
    site.primary.append(
        "postgresql.conf",
        &format!("ssl = on\nssl_cert_file = '{dir}/localhost.crt'\nssl_key_file = '{dir}/localhost.key'\nssl_ca_file = '{dir}/root.crt'\n"),
    );
    let hba = "local all all scram-sha-256\nlocal replication all scram-sha-256\n\
               hostssl all nobody 127.0.0.1/32 cert map=nobody\n\
               hostssl all,replication all 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(site.dir("data/pg_hba.conf"), hba).expect("written");
    std::fs::write(site.dir("data/pg_ident.conf"), "nobody drill nobody\n").expect("written");
    site.primary.reload();
}

/// Somebody's home directory, with a service and a password file.
fn at_home(site: &Site) -> CliRunner {
    let runner = CliRunner::new();
    let (port, dir) = (site.primary.port(), site.dir("tls"));
    let root = dir.join("root.crt");
    let service = format!(
        "[prod]\nhost=localhost\nport={port}\ndbname=postgres\nuser=drill\nsslmode=verify-full\nsslrootcert={}\n",
        root.display()
    );
    runner.write(".pg_service.conf", &service);
    let passwords =
        format!("localhost:{port}:postgres:drill:of the drill\nlocalhost:{port}:replication:stand-in:the stand-in's\n");
    let pgpass = runner.write(".pgpass", &passwords);
    allow(&pgpass, 0o600);
    let home = runner.path().display().to_string();
    runner.var("HOME", &home)
}

fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("permissions");
}

/// A drill of one question.
fn asks(runner: &CliRunner, external: &str) -> Run {
    runner.drill(
        &format!(
            "nodes: {{ prod: {{ external: {{ {external} }} }} }}\nsteps:\n  - assert_rows: {{ node: prod, query: \"SELECT current_user <> ''\", equals: [[true]] }}\n"
        ),
        &[],
    )
}

#[tokio::test]
async fn production_is_found_by_a_service_and_streams_by_tls_as_another_role() {
    let site = Site::start().await;
    with_tls(&site);
    site.primary.sql("CREATE ROLE \"stand-in\" LOGIN REPLICATION PASSWORD 'the stand-in''s'").await;
    site.back_up("monday", &[]);
    site.archive().await;
    let before = site.fingerprint();
    let runner = at_home(&site);
    let standby = "service: prod, standby_conninfo: \"service=prod user=stand-in sslmode=verify-ca\"";
    let head = head(&site).replace("url: \"${env.PROD_URL}\"", standby);
    let encrypted = "  - assert_rows: { node: prod, query: \"SELECT usename::text, ssl FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE application_name LIKE 'copy (drillyard %)'\", equals: [[stand-in, true]] }\n";
    let run = runner.drill(&format!("{head}{FOLLOW}{encrypted}"), &[]).passed();
    assert_eq!(site.moved_since(&before), NOTHING);
    for secret in ["of the drill", "the stand-in's"] {
        assert!(!run.said.contains(secret) && !run.report.to_string().contains(secret), "{}", run.said);
        let found = Command::new("grep").args(["-rlF", secret]).arg(runner.path().join("state")).output();
        assert_eq!(String::from_utf8_lossy(&found.expect("grep runs").stdout), "");
    }
    // The servers' user may not read it, and need not: drillyard encrypts for the copy.
    let root = runner.path().join("root.crt");
    std::fs::copy(site.dir("tls/root.crt"), &root).expect("copied");
    allow(&root, 0o600);
    let service = std::fs::read_to_string(runner.path().join(".pg_service.conf")).expect("a file");
    let theirs = site.dir("tls/root.crt").display().to_string();
    runner.write(".pg_service.conf", &service.replace(&theirs, &root.display().to_string()));
    runner.drill(&format!("{head}{FOLLOW}{encrypted}"), &[]).passed();
    // A copy that encrypts by itself may not: that is told before anything is tried.
    let run = runner.drill(&format!("network: open\n{head}{FOLLOW}"), &[]);
    run.failed(4, &["the user that runs servers may not read", "root.crt (`sslrootcert`)", "standby_conninfo"]);
    let bound = head.replace("sslmode=verify-ca", "sslmode=verify-ca channel_binding=require");
    let run = runner.drill(&format!("{bound}{FOLLOW}"), &[]);
    run.failed(4, &["`channel_binding=require` cannot be kept to by a copy", "without `channel_binding`"]);
}

#[tokio::test]
async fn what_keeps_a_connection_from_being_trusted_is_told() {
    let site = Site::start().await;
    with_tls(&site);
    let runner = at_home(&site);
    let dir = site.dir("tls").display().to_string();
    let url = |rest: &str| format!("url: \"port={} dbname=postgres user=drill {rest}\"", site.primary.port());
    let root = format!("sslrootcert={dir}/root.crt");
    for rest in [
        &format!("host=localhost sslmode=verify-full channel_binding=require {root}"),
        // One that is not there is passed over.
        &format!("host=/nowhere,localhost sslmode=verify-full {root} target_session_attrs=read-write"),
        "host=localhost sslmode=prefer",
        "host=localhost sslmode=allow",
        &format!("host=localhost user=nobody sslmode=require {root} sslcert={dir}/drill.crt sslkey={dir}/drill.key"),
        &format!(
            "host=localhost user=nobody sslmode=require {root} sslcert={dir}/drill.crt sslkey={dir}/locked.key sslpassword=sesame"
        ),
    ] {
        if rest.contains("nobody") {
            site.primary.sql("DROP ROLE IF EXISTS nobody; CREATE ROLE nobody LOGIN").await;
        }
        asks(&runner, &url(rest)).passed();
    }
    let other = format!("sslrootcert={dir}/other.crt");
    let locked = format!("host=localhost user=nobody sslmode=require sslcert={dir}/drill.crt sslkey={dir}/locked.key");
    let by_address = format!("host=127.0.0.1 password='of the drill' sslmode=verify-full {root}");
    for (rest, words) in [
        (
            &format!("host=localhost sslmode=verify-full {other}"),
            &["certificate is not trusted: ", "`sslrootcert` names"][..],
        ),
        (&locked, &["locked.key cannot be used", "if it is encrypted, give its `sslpassword`"]),
        (&by_address, &["certificate is for `localhost`, and not for `127.0.0.1`", "sslmode=verify-ca"]),
        (
            &"host=localhost sslmode=verify-ca".to_owned(),
            &["`sslmode=verify-ca` needs", "/.postgresql/root.crt, which is not there"],
        ),
        (&"host=localhost sslmode=disable".to_owned(), &["no pg_hba.conf entry", "let this role in from here"]),
        (&"host=localhost target_session_attrs=standby".to_owned(), &["it is a primary, and a standby is wanted"]),
        (&"host=localhost password=wrong sslmode=require".to_owned(), &["password authentication failed"]),
        (&"service=prd".to_owned(), &["there is no service `prd`", "write a section [prd] into ~/.pg_service.conf"]),
    ] {
        asks(&runner, &url(rest)).failed(4, words);
    }
    let publisher = format!("url: \"host=localhost port={} user=postgres sslmode=require\"", site.publisher.port());
    asks(&runner, &publisher).failed(4, &["server does not support TLS", "does it speak TLS if `sslmode` demands it"]);
    allow(&runner.path().join(".pgpass"), 0o644);
    asks(&runner, "service: prod")
        .failed(4, &["password missing", ".pgpass is not used: others may read it: chmod 0600"]);
    // The environment stands for what nobody names.
    let runner = runner.var("PGHOST", "localhost").var("PGPORT", &site.primary.port().to_string());
    let runner = runner.var("PGPASSWORD", "of the drill").var("PGSSLMODE", "require");
    asks(&runner, "url: \"user=drill dbname=postgres\"").passed();
}
