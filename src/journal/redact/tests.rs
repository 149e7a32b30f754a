use proptest::prelude::*;

use super::*;

fn redactor<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Redactor {
    let mut redactor = Redactor::default();
    redactor.add(secrets.into_iter().map(str::to_owned));
    redactor
}

#[test]
fn a_secret_inside_another_one_leaves_nothing_behind() {
    let redactor = redactor(["pass", "passphrase", ""]);
    assert_eq!(redactor.text("passphrase and pass"), "*** and ***");
    let mut value = serde_json::json!({ "a": ["the passphrase"], "n": 1 });
    redactor.value(&mut value);
    assert_eq!(value, serde_json::json!({ "a": ["the ***"], "n": 1 }));
}

#[test]
fn secrets_that_overlap_are_one() {
    assert_eq!(redactor(["abcd", "cdef"]).text("x abcdef x"), "x *** x");
    assert_eq!(redactor(["aba"]).text("x ababa x"), "x *** x");
}

#[test]
fn the_mask_is_no_secret() {
    assert_eq!(redactor(["*"]).text("2 * 3"), "2 [redacted] 3");
    assert_eq!(redactor(["a*", "x"]).text("ax ok"), "***** ok", "with the mask it would be a secret");
}

#[test]
fn every_way_to_write_it_is_found() {
    let secret = "p@ss/w#rd \"it's\" \\ gr\u{fc}n";
    let redactor = redactor([secret]);
    let written = [
        secret.to_owned(),
        serde_json::json!(secret).to_string(),
        serde_json::json!({ "inner": serde_json::json!(secret).to_string() }).to_string(),
        r#""p@ss\/w#rd \"it's\" \\ gr\u00FCn""#.to_owned(),
        r#"'p@ss/w#rd "it'\''s" \ grün'"#.to_owned(),
        r#"p@ss/w\#rd\ \"it\'s\"\ \\\ grün"#.to_owned(),
        r#"'p@ss/w#rd "it''s" \ grün'"#.to_owned(),
        "p%40ss%2Fw%23rd%20%22it%27s%22%20%5C%20gr%C3%BCn".to_owned(),
        "p%40ss%2fw%23rd+%22it's%22+%5c+gr%c3%bcn".to_owned(),
        "p@ss/w#rd &quot;it&#39;s&quot; \\ gr&#252;n".to_owned(),
        "cEBzcy93I3JkICJpdCdzIiBcIGdyw7xu".to_owned(),
        // Of `user:SECRET`, of `u:SECRET`, and of `:SECRET.`
        "dXNlcjpwQHNzL3cjcmQgIml0J3MiIFwgZ3LDvG4=".to_owned(),
        "dTpwQHNzL3cjcmQgIml0J3MiIFwgZ3LDvG4".to_owned(),
        "OnBAc3MvdyNyZCAiaXQncyIgXCBncsO8bi4=".to_owned(),
        format!("{secret:?}"),
    ];
    for text in written {
        let told = redactor.text(&text);
        let left = ["ss", "w#rd", "w%23rd", "it", "pwQHNz", "pAc3", "cy93"].iter().find(|piece| told.contains(*piece));
        assert_eq!(left, None, "{text} became {told}");
    }
}

const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----\n";

#[test]
fn a_key_of_several_lines_is_found_as_servers_log_it() {
    let redactor = redactor([KEY]);
    let log = format!("STATEMENT:  SELECT '{}'", KEY.replace('\n', "\n\t"));
    let json = serde_json::json!({ "key": KEY, "second": KEY.lines().nth(1) }).to_string();
    for text in
        [log, json, KEY.replace('\n', " "), KEY.replace('\n', "\r\n"), KEY.replace('\n', "\\n"), KEY[40..].to_owned()]
    {
        let told = redactor.text(&text);
        assert!(!told.contains("MIIE") && !told.contains("8cKj"), "{told}");
    }
}

#[test]
fn a_piece_that_was_left_where_a_text_was_cut_is_found() {
    let redactor = redactor(["correct horse battery staple"]);
    for text in
        ["it said: correct horse ba", "... horse battery staple", "correct hor... and more", "correct horse b\u{2026}"]
    {
        let told = redactor.text(text);
        assert!(!told.contains("horse") && !told.contains("hor"), "{told}");
    }
}

#[test]
fn a_line_of_a_file_keeps_its_columns() {
    assert_eq!(redactor(["hunter2"]).line("  - sql: { query: hunter2 }"), "  - sql: { query: ******* }");
}

/// The ways of other programs to write a text.
fn written(secret: &str) -> Vec<String> {
    let percent = |keep: &str, byte: fn(u8) -> String| {
        let one = |b: u8| match char::from(b) {
            c if c.is_ascii_alphanumeric() || keep.contains(c) => c.to_string(),
            _ => byte(b),
        };
        secret.bytes().map(one).collect::<String>()
    };
    let json = Value::from(secret).to_string();
    let twice = Value::from(json.clone()).to_string();
    let inner = |text: &str| text[1..text.len() - 1].to_owned();
    vec![
        secret.to_owned(),
        inner(&json),
        inner(&twice),
        secret.replace('\'', r"'\''"),
        secret.replace('\'', "''"),
        secret.replace('\n', "\n\t"),
        percent("", |byte| format!("%{byte:02X}")),
        percent("-_.~!*'()", |byte| format!("%{byte:02X}")),
        percent("-_.*", |byte| format!("%{byte:02x}")).replace("%20", "+"),
    ]
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9]{8,20}",
        "[ -~]{1,30}",
        "(?s)[a-zäöüß€😀\\\\'\"\n\t {}%$&#]{2,30}",
        prop::sample::select(vec!["step", "fail", "passed", "2026", "null", "event", "\"", "{", "***", "a", KEY])
            .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_secret_is_left_in_a_text(secrets in prop::collection::vec(secret(), 1..5), around in "[ -~]{0,10}") {
        let redactor = redactor(secrets.iter().map(String::as_str));
        for secret in &secrets {
            for text in written(secret) {
                let told = redactor.text(&format!("{around}{text}{around}"));
                prop_assert!(!told.contains(&text), "{text:?} is in {told:?}");
                prop_assert_eq!(&redactor.text(&told), &told, "nothing is left to hide");
            }
        }
    }

    #[test]
    fn texts_without_secrets_stay_as_they_are(text in "[a-z \n.,]{0,60}") {
        prop_assert_eq!(redactor(["Q7x!9", "LONG SECRET"]).text(&text), text);
    }
}
