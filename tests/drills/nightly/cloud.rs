//! Backups in object storage by tools that have no kind of their own, or none for it: barman-cloud
//! by its commands, as the drill that ships runs it, and WAL-G.

use super::s3::{S3, SECRET};
use super::shipped::run;
use super::site::Site;
use super::wal_g::with_wal_g;
use super::{CliRunner, FOLLOW, runner};

impl Site {
    /// A file with what reaches the bucket, and how production's own programs are run with it.
    fn keys(&self, s3: &S3) -> (String, Vec<String>) {
        let (path, dir) = (self.dir("aws"), self.primary.dir().display());
        let keys = format!(
            "[default]\naws_access_key_id = drillyard\naws_secret_access_key = {SECRET}\nregion = us-east-1\nca_bundle = {dir}/s3.crt\n"
        );
        std::fs::write(&path, keys).expect("written");
        let path = path.display().to_string();
        let options = format!("--endpoint-url {}", s3.url());
        let env = vec![
            format!("AWS_SHARED_CREDENTIALS_FILE={path}"),
            format!("AWS_CONFIG_FILE={path}"),
            // Whatever this machine has set would win.
            format!("AWS_CA_BUNDLE={dir}/s3.crt"),
            format!("PGPASSWORD={}", crate::testing::PASSWORD),
            format!("OPTIONS={options}"),
        ];
        (path, env)
    }
}

#[tokio::test]
async fn barman_cloud_is_read_by_its_commands_and_nothing_in_the_bucket_moves() {
    let site = Site::start().await;
    let s3 = S3::start(site.primary.dir());
    let (credentials, env) = site.keys(&s3);
    let (dir, port) = (site.primary.dir().display().to_string(), site.primary.port());
    let tool = |words: &str| {
        let args: Vec<&str> = env.iter().map(String::as_str).chain(["sh", "-euc", words]).collect();
        site.run("env", &args);
    };
    tool(&format!(
        "barman-cloud-backup $OPTIONS --host {dir} --port {port} --user postgres --immediate-checkpoint s3://backups/db main"
    ));
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1001, 2000) i").await;
    site.archive().await;
    tool(&format!("for file in {dir}/wal/*; do barman-cloud-wal-archive $OPTIONS s3://backups/db main $file; done"));
    let before = (site.fingerprint(), s3.objects());
    let (runner, url) = (CliRunner::new(), site.url());
    let options = format!("--endpoint-url {}", s3.url());
    let (server, keys) = (("server", "main"), ("credentials", credentials.as_str()));
    let all = |bucket: &str, options: &str, tablespaces: &str| {
        let set =
            [("prod", url.as_str()), ("url", bucket), server, keys, ("options", options), ("tablespaces", tablespaces)];
        run(&runner, "/barman-cloud.yaml", &set)
    };
    let passed = all("s3://backups/db", &options, "fast").passed();
    assert!(passed.fact("tonight", "backup").as_str().is_some_and(|label| label.contains('T')), "{}", passed.said);
    all("s3://backups/elsewhere", &options, "fast").failed(1, &["repo `onsite` has no such backup"]);
    let mine = [("url", "s3://backups/db"), server, keys, ("options", options.as_str())];
    run(&runner, "/barman-cloud-wrong-server.yaml", &mine).passed();
    // Nobody answers.
    all("s3://backups/db", "--endpoint-url https://localhost:1", "fast")
        .failed(1, &["cannot be listed", "Could not connect"]);
    // A tablespace that nobody has named would lie where production has its own.
    all("s3://backups/db", &options, "").failed(1, &["cannot be restored"]);
    assert!(!passed.said.contains(SECRET), "{}", passed.said);
    assert_eq!((site.fingerprint(), s3.objects()), before);
}

#[tokio::test]
async fn a_bucket_of_wal_g_is_read_with_keys_that_nobody_sees() {
    let site = Site::start().await;
    let s3 = S3::start(site.primary.dir());
    let (runner, path) = with_wal_g(runner(&site));
    let runner = runner.var("DRILLYARD_SECRET_KEY", SECRET);
    let (dir, port) = (site.primary.dir().display().to_string(), site.primary.port().to_string());
    let endpoint = s3.url();
    let keys = [
        ("WALG_S3_PREFIX", "s3://backups/walg".to_owned()),
        ("AWS_ENDPOINT", endpoint),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_S3_FORCE_PATH_STYLE", "true".to_owned()),
        ("WALG_S3_CA_CERT_FILE", format!("{dir}/s3.crt")),
        ("AWS_ACCESS_KEY_ID", "drillyard".to_owned()),
    ];
    let mut env: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
    env.extend([format!("PATH={path}"), format!("PGHOST={dir}"), format!("PGPORT={port}")]);
    env.extend([format!("PGPASSWORD={}", crate::testing::PASSWORD), format!("AWS_SECRET_ACCESS_KEY={SECRET}")]);
    let words = format!("wal-g backup-push {dir}/data; for file in {dir}/wal/*; do wal-g wal-push $file; done");
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1001, 2000) i").await;
    site.archive().await;
    site.run("env", &env.iter().map(String::as_str).chain(["sh", "-euc", &words]).collect::<Vec<_>>());
    let before = (site.fingerprint(), s3.objects());
    let head = |secret: &str| {
        let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}: \"{value}\"")).collect();
        format!(
            "repos: {{ lastnight: {{ kind: wal-g, existing: true, env: {{ {}, AWS_SECRET_ACCESS_KEY: \"{secret}\" }} }} }}\n\
             nodes: {{ prod: {{ external: {{ url: \"${{env.PROD_URL}}\" }} }} }}\nsteps:\n  - assert_recoverable: {{ repo: lastnight }}\n",
            keys.join(", ")
        )
    };
    let small = FOLLOW.replace("min_size: 1MB", "min_size: 100kB");
    let run = runner.drill(&format!("{}{small}", head("${secrets.key}")), &[]).passed();
    assert!(!run.said.contains(SECRET) && !run.report.to_string().contains(SECRET), "{}", run.said);
    let away = head("${secrets.key}").replace("localhost", "127.0.0.1");
    runner.drill(&away, &[]).failed(1, &["cannot be listed", "failed to list s3 folder"]);
    assert_eq!((site.fingerprint(), s3.objects()), before);
}
