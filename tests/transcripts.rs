//! Every transcript in the documentation is executed, and what it shows is
//! what a person sees.
//!
//! A transcript is a fenced block ```` ```console ```` below the comment
//! `<!-- transcript: CASE -->`. Each line that begins with `$ ` is run by `sh`
//! in the case's directory (`cd` moves on for good); what follows is its output, and `[exit N]` where
//! it does not end with 0; printed lines that begin so are indented. Blocks of one case in one document share their
//! directory, which begins as a checkout of `testdata/transcripts/CASE`, or
//! empty where there is none. Ids, instants and temporary paths may differ.
//! `UPDATE_DOCS=1 cargo test --test transcripts` writes the blocks anew.

#![expect(clippy::disallowed_methods, reason = "transcripts are run, and documents read")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BINARY: &str = env!("CARGO_BIN_EXE_tranche");

/// What stands for a lab's directory in the documents.
const SHOWN: &str = "/tmp/tour";

/// A directory for one case, with a home of its own.
struct Lab {
    dir: TempDir,
    /// Where the next line runs, below the case's directory.
    at: PathBuf,
}

impl Lab {
    fn new(case: &str) -> Self {
        let mut lab = Self { dir: tranche_lab::scratch().unwrap(), at: PathBuf::new() };
        std::fs::create_dir(lab.home()).unwrap();
        std::fs::create_dir(lab.work()).unwrap();
        let user = "[user]\n\tname = Operator\n\temail = operator@shop.example\n\
                    [init]\n\tdefaultBranch = main\n[commit]\n\tgpgsign = false\n";
        std::fs::write(lab.home().join(".gitconfig"), user).unwrap();
        let fixture = Path::new(ROOT).join("testdata/transcripts").join(case);
        if fixture.is_dir() {
            copy(&fixture, &lab.work());
            let made = lab.run("git init -q && git add . && git commit -q -m plan");
            assert_eq!(made, "", "{case}");
        }
        lab
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("tour")
    }

    /// Runs a line and gives what it prints, as the documents show it.
    fn run(&mut self, line: &str) -> String {
        if let Some(dir) = line.strip_prefix("cd ") {
            self.at.push(dir);
            assert!(self.work().join(&self.at).is_dir(), "{line}");
            return String::new();
        }
        let path = std::env::var("PATH").unwrap();
        let binaries = Path::new(BINARY).parent().unwrap().to_str().unwrap();
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if ["GIT_", "XDG_", "TRANCHE_", "RUST_"].iter().any(|p| name.starts_with(p)) {
                command.env_remove(name);
            }
        }
        let output = command
            .arg("-c")
            .arg(format!("exec 2>&1\n{line}"))
            .env_remove("CI")
            .env_remove("KUBECONFIG")
            .env("PATH", format!("{binaries}:{path}"))
            .env("HOME", self.home())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_DATE", "2026-01-05T09:00:00Z")
            .env("GIT_COMMITTER_DATE", "2026-01-05T09:00:00Z")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("PAGER", "cat")
            .current_dir(self.work().join(&self.at))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        let mut shown = shown.replace(self.work().to_str().unwrap(), SHOWN);
        if !shown.is_empty() && !shown.ends_with('\n') {
            shown.push('\n');
        }
        // What looks like a command is not one when it was printed.
        shown = shown.replace("\n$ ", "\n  $ ");
        let code = output.status.code().unwrap();
        if code != 0 {
            shown.push_str(&format!("[exit {code}]\n"));
        }
        shown
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (source, target) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if source.is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&source, &target);
        } else {
            std::fs::copy(&source, &target).unwrap();
        }
    }
}

/// Text with everything that differs from run to run taken out.
fn normal(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut word = String::new();
        for c in line.trim_end().chars().chain(['\n']) {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.') {
                word.push(c);
                continue;
            }
            out.push_str(&normal_word(&word));
            word.clear();
            out.push(c);
        }
    }
    out
}

fn normal_word(word: &str) -> String {
    let bytes = word.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    if word.len() >= 20 && digits(0..4) && bytes.get(4) == Some(&b'-') && bytes.contains(&b'T') {
        return "TIME".to_owned();
    }
    if word.len() >= 16 && digits(0..8) && word.contains("Z-") {
        return "RUN".to_owned();
    }
    // An object's uid, or a commit that is pushed to a branch.
    let parts: Vec<usize> = word.split('-').map(str::len).collect();
    if parts == [8, 4, 4, 4, 12] {
        return "UID".to_owned();
    }
    if let Some((commit, to)) = word.split_once(':').filter(|(commit, _)| commit.len() == 40) {
        return format!("{}:{to}", normal_word(commit));
    }
    let trimmed = word.trim_end_matches(['.', ':']);
    let hex = trimmed.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if hex && (7..=64).contains(&trimmed.len()) {
        return word.replace(trimmed, "ID");
    }
    word.to_owned()
}

/// The case that a line of a document names.
fn case_of(line: &str) -> Option<&str> {
    line.strip_prefix("<!-- transcript: ")?.strip_suffix(" -->")
}

/// Runs the transcripts of a document and gives it back with what they print.
fn executed(document: &str) -> (String, usize) {
    let mut labs: BTreeMap<String, Lab> = BTreeMap::new();
    let (mut out, mut blocks) = (String::new(), 0);
    let (mut case, mut inside) = (None, false);
    for line in document.lines() {
        if inside && line != "```" {
            let Some(command) = line.strip_prefix("$ ") else { continue };
            let name = String::from(case.unwrap());
            let lab = labs.entry(name.clone()).or_insert_with(|| Lab::new(&name));
            out.push_str(&format!("{line}\n{}", lab.run(command)));
            continue;
        }
        inside = !inside && case.is_some() && line == "```console";
        blocks += usize::from(inside);
        if line == "```" {
            case = None;
        }
        case = case_of(line).or(case);
        out.push_str(line);
        out.push('\n');
    }
    (out, blocks)
}

fn check(path: &str, at_least: usize) {
    let file = Path::new(ROOT).join(path);
    let document = std::fs::read_to_string(&file).unwrap();
    let consoles = document.lines().filter(|line| *line == "```console").count();
    let (fresh, blocks) = executed(&document);
    assert_eq!(blocks, consoles, "{path}: a console block names no transcript");
    assert!(blocks >= at_least, "{path}: only {blocks} transcripts");
    if normal(&fresh) == normal(&document) {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, fresh).unwrap();
        return;
    }
    let (old, new) = (normal(&document), normal(&fresh));
    let diff = similar::TextDiff::from_lines(&old, &new);
    let diff = diff.unified_diff().context_radius(3).header("documented", "printed").to_string();
    panic!("{path} shows what is no longer so; UPDATE_DOCS=1 writes it anew\n{diff}");
}

#[test]
fn the_tour_of_the_readme() {
    check("README.md", 5);
}

#[test]
fn the_errors_that_people_see() {
    check("docs/errors.md", 8);
}

#[test]
fn what_reviewers_see() {
    check("docs/review.md", 1);
}

#[test]
fn what_people_do_when_something_goes_wrong() {
    check("docs/runbook.md", 15);
}

#[test]
fn what_differs_from_run_to_run_is_taken_out_and_nothing_else() {
    let one = "plan ae2a5724e4, at 2026-11-21T05:38:49Z by 20261121T053832Z-96367ada: 3 of 5";
    let two = "plan 00aabbccdd, at 2025-01-01T00:00:00.5Z by 20250101T000000Z-11111111: 3 of 5";
    assert_eq!(normal(one), normal(two));
    assert_ne!(normal(one), normal(&two.replace("3 of 5", "4 of 5")));
    assert_eq!(normal("web-v1 is ready\n"), "web-v1 is ready\n");
}
