//! SIGINT and SIGTERM: the run stops at a safe place, and says so.

use crate::pair::{lowest, serving, upgrade};
use crate::stage::{Ran, Stage};
use crate::world::pods;
use std::process::{Child, Command};
use std::time::Duration;

/// Every push waits until the test opens the gate.
fn gate(stage: &Stage) {
    let (reached, open) = (stage.path().join("reached"), stage.path().join("open"));
    let body = format!(
        "cat > /dev/null\ntouch '{}'\nwhile [ ! -e '{}' ]; do sleep 0.02; done",
        reached.display(),
        open.display()
    );
    stage.hook("pre-receive", &body);
}

/// A run that stands at its first push.
fn at_the_gate(stage: &Stage) -> Child {
    gate(stage);
    let mut run = stage.start(&["apply", "--wait", "10m"]);
    while !stage.path().join("reached").exists() {
        assert!(run.try_wait().unwrap().is_none(), "the run ended before it pushed");
        std::thread::sleep(Duration::from_millis(10));
    }
    run
}

fn send(signal: &str, run: &Child) {
    let sent = Command::new("kill").args([signal, &run.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn stops_and_goes_on(signal: &str, code: i32) {
    let stage = serving();
    let from = stage.history().len() - 1;
    upgrade(&stage, &[]);
    let run = at_the_gate(&stage);
    send(signal, &run);
    std::fs::write(stage.path().join("open"), "").unwrap();
    Ran::of(&run.wait_with_output().unwrap()).ends(code);
    let log = stage.log();
    assert_ne!(log.last().unwrap().phase, "intent", "the lock is given back: {log:#?}");
    assert_ne!(stage.state("web"), "rolloutFailed");
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    assert_eq!(lowest(&stage, from), 4);
    stage.record_is_whole();
}

#[test]
fn an_interrupt_ends_130_and_the_next_run_goes_on() {
    stops_and_goes_on("-INT", 130);
}

#[test]
fn a_termination_ends_143_and_the_next_run_goes_on() {
    stops_and_goes_on("-TERM", 143);
}
