//! The journal: races, killed writers, determinism, compaction.

use super::*;
use std::io::Write;

fn config(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

#[test]
fn two_handles_race_and_nothing_is_lost() {
    let bench = Bench::new();
    let path = bench.dir.path().to_owned();
    let threads: Vec<_> = (0..2)
        .map(|thread| {
            let path = path.clone();
            std::thread::spawn(move || {
                let sandbox = Sandbox::open(&path, wall).unwrap();
                for index in 0..20 {
                    let body = config(&format!("c{thread}-{index}"));
                    let made =
                        call(&sandbox, "POST", "/api/v1/namespaces/default/configmaps", &body);
                    assert_eq!(made.0, 201);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let items = bench.items("/api/v1/configmaps");
    let field = |name: &str| -> std::collections::BTreeSet<String> {
        items.iter().map(|item| item["metadata"][name].to_string()).collect()
    };
    assert_eq!((items.len(), field("uid").len(), field("resourceVersion").len()), (40, 40, 40));
}

#[test]
fn a_torn_last_line_is_cut_off_and_a_broken_one_is_named() {
    let bench = Bench::new();
    bench.apply(DEPLOYMENT, &deployment(1, "web:1"));
    let whole = bench.journal();
    let path = bench.dir.path().join("journal.jsonl");
    let append = |text: &str| {
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    append("{\"at\":\"2026-01-01T00:0");
    let again = Sandbox::open(bench.dir.path(), wall).unwrap();
    assert_eq!(bench.journal(), whole);
    assert_eq!(call(&again, "GET", DEPLOYMENT, &Value::Null).0, 200);
    append("nonsense\n");
    let error = Sandbox::open(bench.dir.path(), wall).unwrap_err();
    assert!(error.to_string().contains("broken at byte"), "{error}");
}

#[test]
fn the_same_requests_at_the_same_instants_make_the_same_journal() {
    let run = || {
        let bench = Bench::new();
        bench.apply(DEPLOYMENT, &deployment(3, "web:1"));
        bench.pass(5);
        bench.apply(DEPLOYMENT, &deployment(3, "web:2"));
        bench.pass(60);
        bench.journal()
    };
    assert_eq!(run(), run());
}

#[test]
fn many_small_steps_of_time_equal_one_long_one_even_across_handles() {
    let run = |steps: i64| {
        let bench = Bench::new();
        bench.apply(DEPLOYMENT, &deployment(3, "web:1"));
        bench.apply(DEPLOYMENT, &deployment(3, "web:2"));
        for _ in 0..steps {
            let fresh = Sandbox::open(bench.dir.path(), wall).unwrap();
            let now = fresh.now().unwrap();
            fresh.advance(crate::sandbox::fields::after(now, 60 / steps)).unwrap();
        }
        bench.get(DEPLOYMENT)
    };
    assert_eq!(run(60), run(1));
}

#[test]
fn compaction_keeps_the_state_and_other_handles_notice() {
    let bench = Bench::new();
    let other = Sandbox::open(bench.dir.path(), wall).unwrap();
    bench.sandbox.locked().journal().compact_above(20_000);
    for replicas in 0..60 {
        bench.apply(DEPLOYMENT, &deployment(replicas % 2, "web:1"));
        bench.pass(5);
    }
    let header: Value = serde_json::from_str(bench.journal().lines().next().unwrap()).unwrap();
    assert!(header["generation"].as_u64().unwrap() > 1, "{header}");
    assert_eq!(call(&other, "GET", DEPLOYMENT, &Value::Null).1, bench.get(DEPLOYMENT));
    assert_eq!(other.next_event().unwrap(), bench.sandbox.next_event().unwrap());
}
