//! What came out of a drill, as a user and a program would see it.

use serde_json::Value;

use crate::cli_runner::CliRunner;
use crate::program::said;

/// What came out of a run.
pub struct Run {
    pub code: i32,
    /// What the terminal said, standard output and error.
    pub said: String,
    pub report: Value,
    /// The report in JUnit's form.
    pub junit: String,
}

impl CliRunner {
    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs what `args` say.
    pub fn run(&self, args: &[&str]) -> Run {
        let (json, junit) = (self.path().join("report.json"), self.path().join("report.xml"));
        let _ = (std::fs::remove_file(&json), std::fs::remove_file(&junit));
        let (path, xml) = (json.display().to_string(), junit.display().to_string());
        let fixed = ["run", "--color", "never", "-v", "--report-json", &path, "--report-junit", &xml];
        let output = self.output(fixed.iter().chain(args));
        let report = std::fs::read_to_string(&json).ok().and_then(|text| serde_json::from_str(&text).ok());
        Run {
            code: output.status.code().unwrap_or(-1),
            said: said(&output),
            report: report.unwrap_or_default(),
            junit: std::fs::read_to_string(&junit).unwrap_or_default(),
        }
    }

    /// Runs one scenario on local processes; what the file begins with is added.
    pub fn drill(&self, yaml: &str, args: &[&str]) -> Run {
        let path = self.write("drill.yaml", &format!("drillyard: 1\nname: drill\n{yaml}")).display().to_string();
        let all: Vec<&str> = ["--backend", "local", &path].iter().chain(args).copied().collect();
        self.run(&all)
    }
}

impl Run {
    /// It passed, in every way of saying so.
    pub fn passed(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.said);
        assert_eq!(self.report["outcome"], "passed", "{}", self.said);
        self
    }

    /// It did not: `code`, and all of these were said.
    pub fn failed(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, code, "{}", self.said);
        assert_eq!(self.report["exit_code"], code, "{}", self.said);
        self.says(parts)
    }

    /// It did not, in its own words and in every way of saying so: the exit code, the JSON, the
    /// terminal, and JUnit's failure or error.
    pub fn fails_alike(self, code: i32, parts: &[&str]) -> Self {
        let run = self.failed(code, parts);
        let outcome = if code == 1 { "failed" } else { "errored" };
        assert_eq!(run.report["outcome"], outcome, "{}", run.said);
        let element = if code == 1 { "<failure" } else { "<error" };
        let signs = [("&quot;", "\""), ("&apos;", "'"), ("&gt;", ">"), ("&lt;", "<"), ("&amp;", "&")];
        let plain = |text: &str| signs.iter().fold(text.to_owned(), |text, (sign, plain)| text.replace(sign, plain));
        let found: Vec<String> = run.junit.split(element).skip(1).map(plain).collect();
        for part in parts {
            let says = found.iter().any(|text| text.contains(part));
            assert!(says, "no {element} of JUnit says {part}: {}", run.junit);
        }
        run
    }

    /// What did not come out as it should was told in so many seconds, by the report's own clock.
    pub fn in_time(self, most: u64) -> Self {
        let steps = self.report["drills"][0]["steps"].as_array().expect("steps");
        let red = |step: &&Value| step["outcome"] == "failed" || step["outcome"] == "errored";
        let took: u64 = steps.iter().filter(red).filter_map(|step| step["duration_ms"].as_u64()).sum();
        assert!(took <= most * 1000, "after {took} ms, and not {most} s: {}", self.said);
        self
    }

    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.said.contains(part), "not said: {part}\n{}", self.said);
        }
        self
    }

    /// A step of the first drill, by its id.
    pub fn step(&self, id: &str) -> &Value {
        let steps = self.report["drills"][0]["steps"].as_array().expect("steps");
        steps.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("no step {id}: {}", self.said))
    }

    /// A fact of a step.
    pub fn fact(&self, id: &str, name: &str) -> &Value {
        &self.step(id)["facts"][name]
    }
}
