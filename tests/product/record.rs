//! The record branch as the tests read it: by `log` and `status`, and by git.

use crate::stage::{RECORD, Stage};
use serde_json::Value;
use std::collections::BTreeSet;

/// One record commit.
#[derive(Clone, Debug)]
pub struct Entry {
    pub seq: u64,
    pub phase: String,
    pub subject: String,
    pub step: Option<String>,
}

impl Stage {
    /// The record's commits, oldest first.
    pub fn log(&self) -> Vec<Entry> {
        let ran = self.run(&["log", "-o", "json"]).ends(0);
        let log: Value = serde_json::from_str(&ran.out).unwrap();
        let text = |row: &Value, key: &str| row[key].as_str().map(str::to_owned);
        let mut all: Vec<Entry> = log["commits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| Entry {
                seq: row["seq"].as_u64().unwrap_or_else(|| panic!("no Seq: {row}")),
                phase: text(row, "phase").unwrap(),
                subject: text(row, "subject").unwrap(),
                step: text(row, "step"),
            })
            .collect();
        all.reverse();
        all
    }

    /// The subjects of one phase, oldest first.
    pub fn subjects(&self, phase: &str) -> Vec<String> {
        self.log().into_iter().filter(|e| e.phase == phase).map(|e| e.subject).collect()
    }

    /// Pods on the target revision after each batch with a result, oldest
    /// first: each `N of M pods on R`.
    pub fn batches(&self) -> Vec<String> {
        let results = self.subjects("result").into_iter();
        results
            .filter_map(|subject| {
                let ready = subject.split_once(" ready, ")?.1;
                Some(ready.split(',').next().unwrap_or_default().to_owned())
            })
            .collect()
    }

    /// The record is whole: `Seq` counts from 1 without a gap, every result
    /// has an intent before it, and no step has two results.
    #[track_caller]
    pub fn record_is_whole(&self) {
        let log = self.log();
        let seqs: Vec<u64> = log.iter().map(|e| e.seq).collect();
        let count = u64::try_from(log.len()).unwrap();
        assert_eq!(seqs, (1..=count).collect::<Vec<_>>());
        let (mut begun, mut done) = (BTreeSet::new(), BTreeSet::new());
        for entry in &log {
            let step = entry.step.clone().unwrap_or_default();
            match entry.phase.as_str() {
                "intent" => {
                    begun.insert(step);
                }
                "result" if entry.step.is_some() => {
                    assert!(begun.contains(&step), "a result without an intent: {entry:?}");
                    assert!(done.insert(step), "a second result: {entry:?} in {log:#?}");
                }
                _ => {}
            }
        }
    }

    /// One rollout as `status -o json` shows it.
    pub fn rollout(&self, name: &str) -> Value {
        let ran = self.run(&["status", "-o", "json"]).ends(0);
        let status: Value = serde_json::from_str(&ran.out).unwrap();
        let rollouts = status["rollouts"].as_array().unwrap();
        let found = rollouts.iter().find(|rollout| rollout["name"] == name);
        found.unwrap_or_else(|| panic!("no rollout {name} in {}", ran.out)).clone()
    }

    /// The state of a rollout.
    pub fn state(&self, name: &str) -> String {
        self.rollout(name)["status"]["rollingState"].as_str().unwrap().to_owned()
    }

    /// The newest record commit.
    pub fn tip(&self) -> String {
        self.repository().refname_to_id(RECORD).unwrap().to_string()
    }

    /// Names under a directory of the record.
    pub fn recorded(&self, dir: &str) -> Vec<String> {
        let repository = self.repository();
        let tree = repository.find_reference(RECORD).unwrap().peel_to_tree().unwrap();
        let Ok(entry) = tree.get_path(std::path::Path::new(dir)) else { return Vec::new() };
        let tree = repository.find_tree(entry.id()).unwrap();
        tree.iter().map(|entry| entry.name().unwrap().to_owned()).collect()
    }
}
