//! Hooks around batches: who is called when, with what, and what an answer that
//! is not expected does.

use crate::listener::{Asked, Listener};
use crate::plans::{APPLICATION, ROLLOUT, web};
use crate::stage::{RECORD, Ran, Stage};
use crate::world::{World, pods};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

const PROJECT: &str = "tranche.yaml";
const OK: &str = "200 OK";

fn project(listener: &Listener) -> String {
    format!(
        "apiVersion: tranche.dev/v1alpha1\nkind: Project\nspec:\n  policy:\n    webhooks:\n      \
         hosts:\n      - {{host: \"127.0.0.1:{}\"}}\n",
        listener.port
    )
}

/// A rollout of four pods in two batches with all sorts of hooks: `/init`,
/// `/pre-0`, `/post-0`, `/pre-1`, `/post-1`, `/end`.
fn hooked(revision: &str, port: u16, more: &str) -> String {
    let hook = |kind: &str, path: &str, more: &str| {
        let url = format!("http://127.0.0.1:{port}/{path}");
        format!("{{type: {kind}, name: {path}, url: \"{url}\"{more}}}")
    };
    let batch = |i: u32| {
        format!(
            "    - replicas: 50%\n      batchRolloutWebhooks:\n      - {}\n      - {}\n",
            hook("post-batch-rollout", &format!("post-{i}"), ""),
            hook("pre-batch-rollout", &format!("pre-{i}"), ""),
        )
    };
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\nmetadata:\n  name: web\n  \
         annotations: {{tranche.dev/progress-deadline: 1m}}\nspec:\n  targetAppRevisionName: \
         {revision}\n  rolloutPlan:\n    rolloutWebhooks:\n    - {}\n    - {}\n    \
         rolloutBatches:\n{}{}{more}",
        hook("finalize-rollout", "end", ", method: PUT, expectedStatus: [200]"),
        hook("initialize-rollout", "init", ", metadata: {team: shop}"),
        batch(0),
        batch(1),
    )
}

/// `web-v1` serves with four pods; the next commit is the way to `web-v2`.
fn upgrading(listener: &Listener, annotations: &[(&str, &str)]) -> Stage {
    let plain = "apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\nmetadata: {name: web}\nspec:\n  \
                 targetAppRevisionName: web-v1\n  rolloutPlan: {numBatches: 1}\n";
    let stage = Stage::with(&[(APPLICATION, &web("6.7.0", 4, &[])), (ROLLOUT, plain)]);
    stage.apply_wait().ends(0);
    stage.commit(&[
        (PROJECT, &project(listener)),
        (APPLICATION, &web("6.7.1", 4, annotations)),
        (ROLLOUT, &hooked("web-v2", listener.port, "")),
    ]);
    stage
}

fn said(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(path, phase)| ((*path).to_owned(), (*phase).to_owned())).collect()
}

const WHOLE: [(&str, &str); 6] = [
    ("/init", "initializing"),
    ("/pre-0", "batchInitializing"),
    ("/post-0", "batchFinalizing"),
    ("/pre-1", "batchInitializing"),
    ("/post-1", "batchFinalizing"),
    ("/end", "finalising"),
];

#[test]
fn every_hook_is_called_once_in_its_order() {
    let listener = Listener::new(|_, _| OK.to_owned());
    let stage = upgrading(&listener, &[]);
    let plan = stage.run(&["plan"]).ends(0);
    let shown =
        format!("call initialize-rollout \"init\": POST http://127.0.0.1:{}", listener.port);
    let plan = plan.says(&shown);
    assert!(!plan.out.contains("/init") && !plan.out.contains("shop"), "{plan}");
    assert!(listener.asked().is_empty(), "a plan calls nobody");
    stage.apply_wait().ends(0);
    assert_eq!(listener.told(), said(&WHOLE));
    let asked = listener.asked();
    let first = &asked[0];
    assert!(first.line.starts_with("POST /init "), "{first:?}");
    assert!(asked[5].line.starts_with("PUT /end "), "{asked:?}");
    assert_eq!(
        first.body,
        serde_json::json!({"name": "web", "namespace": "default", "phase": "initializing",
            "metadata": {"team": "shop"}})
    );
    let mut keys: Vec<&str> = asked.iter().map(|asked| asked.key.as_str()).collect();
    assert!(keys.iter().all(|key| key.split_once('/').is_some_and(|(id, _)| id.len() == 12)));
    keys.dedup();
    assert_eq!(keys.len(), 6);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    stage.apply_wait().ends(0);
    assert_eq!(listener.asked().len(), 6, "nobody is called about what is done");
    stage.record_is_whole();
}

/// Answers one path with the statuses in turn, the last of them for ever.
fn moody(path: &'static str, statuses: &'static [&'static str]) -> Listener {
    let came = Mutex::new(0);
    Listener::new(move |_, asked| {
        if asked.told().0 != path {
            return OK.to_owned();
        }
        let mut came = came.lock().unwrap();
        let status = statuses.get(*came).or(statuses.last()).copied().unwrap();
        *came += 1;
        status.to_owned()
    })
}

fn calls_of(listener: &Listener, path: &str) -> Vec<Asked> {
    listener.asked().into_iter().filter(|asked| asked.told().0 == path).collect()
}

/// W1: what is not expected is called again, and nothing moves meanwhile.
#[test]
fn w1_a_hook_that_fails_is_called_again_and_the_state_stays() {
    let listener = moody("/pre-1", &["503 No", "404 No", "302 Elsewhere", "204 No Content"]);
    let stage = upgrading(&listener, &[]);
    let ran = stage.apply().ends(3);
    let host = format!("http://127.0.0.1:{}", listener.port);
    ran.says("pre-batch-rollout \"pre-1\"").says(&host).says("answered 302, expected 2xx");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 2), ("6.7.1", 2)]));
    let record = stage.rollout("web");
    assert_eq!(record["status"]["currentBatch"], 1);
    assert_eq!(record["status"]["batchRollingState"], "batchInRolling", "{record:#}");
    stage.apply_wait().ends(0);
    let calls = calls_of(&listener, "/pre-1");
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| call.key == calls[0].key), "one key: {calls:?}");
    for path in ["/init", "/pre-0", "/post-0", "/post-1", "/end"] {
        assert_eq!(calls_of(&listener, path).len(), 1, "{path}");
    }
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    stage.record_is_whole();
}

/// W1: no server at all is no answer.
#[test]
fn w1_a_hook_that_nobody_answers_is_waited_for() {
    let listener = Listener::new(|_, _| OK.to_owned());
    let stage = upgrading(&listener, &[]);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut gone = listener;
    gone.port = closed;
    stage.commit(&[(PROJECT, &project(&gone)), (ROLLOUT, &hooked("web-v2", closed, ""))]);
    let tip = stage.apply().ends(3).says("\"init\"").says("did not answer");
    assert!(!tip.err.contains("/init"), "{tip}");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]), "nothing was written");
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".to_owned(), 4)].into());
}

#[test]
fn a_hook_that_never_agrees_takes_the_rollout_back_and_the_end_is_told() {
    let listener = moody("/post-0", &["500 No"]);
    let stage = upgrading(&listener, &[]);
    stage.apply_wait().ends(4).says("\"post-0\"").says("answered 500");
    assert_eq!(stage.state("web"), "rolloutFailed");
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".to_owned(), 4)].into());
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
    let told = listener.told();
    assert_eq!(told.last().unwrap(), &("/end".to_owned(), "rolloutFailing".to_owned()));
    assert_eq!(calls_of(&listener, "/end").len(), 1);
    assert!(calls_of(&listener, "/pre-1").is_empty());
    stage.apply().ends(4);
    stage.record_is_whole();
}

#[test]
fn on_the_way_back_a_hook_is_repeated_and_given_up_at_the_deadline() {
    let listener = moody("/end", &["500 No"; 99]);
    let stage = upgrading(&listener, &[("sandbox.tranche.dev/ready", "never")]);
    let told = "nobody has heard of the end";
    stage.run(&["apply", "--wait", "15m"]).ends(4).says("\"end\"").says(told);
    // All capacity is back before the hook is told.
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
    assert_eq!(stage.state("web"), "rolloutFailed");
    let calls = calls_of(&listener, "/end");
    assert!(calls.len() > 2, "{calls:?}");
    assert!(calls.iter().all(|call| call.key == calls[0].key));
}

#[test]
fn an_abort_is_heard_while_a_hook_is_waited_for() {
    let listener = moody("/pre-1", &["500 No"]);
    let stage = upgrading(&listener, &[]);
    stage.apply().ends(3);
    let before = calls_of(&listener, "/pre-1").len();
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(calls_of(&listener, "/pre-1").len(), before, "an abort is pending");
    assert_eq!(listener.told().last().unwrap().0, "/end");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
    stage.record_is_whole();
}

#[test]
fn nobody_is_told_of_pods_that_are_not_ready_any_more() {
    let listener = moody("/post-0", &["500 No"]);
    let stage = upgrading(&listener, &[("sandbox.tranche.dev/ready-after", "25s")]);
    let mut runs = 0;
    while calls_of(&listener, "/post-0").is_empty() {
        stage.apply().ends(3);
        runs += 1;
        assert!(runs < 9, "never called");
    }
    let world = stage.world();
    let (pod, _) = world.of_kind("Pod").find(|(name, _)| name.starts_with("web-v2-")).unwrap();
    stage.destroy(&format!("/api/v1/namespaces/default/pods/{pod}"));
    let before = calls_of(&listener, "/post-0").len();
    stage.apply().ends(3).says("1 of 2 pods ready");
    assert_eq!(calls_of(&listener, "/post-0").len(), before);
}

#[test]
fn a_finalize_that_fails_undoes_nothing() {
    let listener = moody("/end", &["500 No"; 99]);
    let stage = upgrading(&listener, &[]);
    stage.run(&["apply", "--wait", "15m"]).ends(0).says("nobody has heard of the end");
    assert_eq!(stage.state("web"), "rolloutSucceed");
    stage.record_is_whole();
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]), "well past the deadline");
    assert!(calls_of(&listener, "/end").iter().all(|call| call.told().1 == "finalising"));
}

/// `web-v2` has all pods, and `/end` is not answered as expected.
fn untold(listener: &Listener) -> Stage {
    let stage = upgrading(listener, &[]);
    stage.apply().ends(3).says("\"end\"").says("answered 500");
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    stage
}

/// Another target, or the one before: what is finished is where it begins.
#[test]
fn a_newer_target_begins_from_what_is_finished_though_nobody_has_heard_of_the_end() {
    for (revision, tag) in [("web-v3", "6.7.2"), ("web-v1", "6.7.0")] {
        let listener = moody("/end", &["500 No"; 99]);
        let stage = untold(&listener);
        let from = stage.history().len();
        let before = calls_of(&listener, "/end").len();
        let next = hooked(revision, listener.port, "    batchPartition: 0\n");
        stage.commit(&[(APPLICATION, &web(tag, 4, &[])), (ROLLOUT, &next)]);
        stage.apply().ends(3).says("nobody has heard of the end").says("batchPartition is 0");
        assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 2), (tag, 2)]), "to {revision}");
        let went_back = |world: &World| world.all_pods().get("6.7.0").is_some_and(|n| *n > 0);
        let passed = &stage.history()[from..];
        assert_eq!(passed.iter().any(went_back), revision == "web-v1", "to {revision}");
        assert_eq!(stage.rollout("web")["attempt"], 3);
        stage.run(&["status"]).ends(0).says(&format!("from web-v2 to {revision}"));
        let calls = calls_of(&listener, "/end");
        assert_eq!(calls.len(), before + 1, "told once more");
        assert!(calls.iter().all(|call| call.told().1 == "finalising"), "{calls:?}");
        stage.record_is_whole();
    }
}

/// What is not whole any more is no place to begin from.
#[test]
fn a_newer_target_goes_back_first_where_pods_are_missing_though_only_the_end_is_untold() {
    let listener = moody("/end", &["500 No"; 99]);
    let stage = upgrading(&listener, &[("sandbox.tranche.dev/ready-after", "25s")]);
    let mut runs = 0;
    while calls_of(&listener, "/end").is_empty() {
        stage.apply().ends(3);
        runs += 1;
        assert!(runs < 20, "never called");
    }
    let world = stage.world();
    let (pod, _) = world.of_kind("Pod").find(|(name, _)| name.starts_with("web-v2-")).unwrap();
    let next = hooked("web-v3", listener.port, "");
    stage.commit(&[(APPLICATION, &web("6.7.2", 4, &[])), (ROLLOUT, &next)]);
    stage.destroy(&format!("/api/v1/namespaces/default/pods/{pod}"));
    let from = stage.history().len();
    stage.run(&["apply", "--wait", "30m"]).ends(0);
    let back = |world: &World| world.ready_pods().get("6.7.0") == Some(&4);
    assert!(stage.history()[from..].iter().any(back), "all of it comes back");
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.2", 4)]));
    stage.record_is_whole();
}

#[test]
fn an_abort_undoes_what_nobody_has_heard_the_end_of() {
    let listener = moody("/end", &["500 No"; 99]);
    let stage = untold(&listener);
    stage.run(&["abort", "web"]).ends(0);
    stage.run(&["apply", "--wait", "30m"]).ends(4);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
    stage.record_is_whole();
}

#[test]
fn a_run_that_is_killed_behind_a_call_makes_it_again_with_the_same_key() {
    let victim: Arc<Mutex<Option<u32>>> = Arc::default();
    let pid = Arc::clone(&victim);
    let listener = Listener::new(move |_, asked| {
        // The run dies when the hook has done its work, before it hears of it.
        let due = asked.told().0 == "/post-0";
        let taken = if due { pid.lock().unwrap().take() } else { None };
        if let Some(pid) = taken {
            let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
            assert!(killed.success());
        }
        OK.to_owned()
    });
    let stage = upgrading(&listener, &[]);
    let run = stage
        .command(&["apply", "--wait", "10m"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    *victim.lock().unwrap() = Some(run.id());
    let ran = Ran::of(&run.wait_with_output().unwrap());
    assert_eq!(ran.code, -1, "{ran}");
    assert_eq!(calls_of(&listener, "/post-0").len(), 1);
    stage.apply_wait().ends(0);
    let calls = calls_of(&listener, "/post-0");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].key, calls[1].key);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    stage.record_is_whole();
}

#[test]
fn a_host_that_is_not_allowed_is_refused_with_what_to_add() {
    let listener = Listener::new(|_, _| OK.to_owned());
    let stage = upgrading(&listener, &[]);
    let tip = stage.tip();
    let wanted = format!("host: \"127.0.0.1:{}\"", listener.port);
    stage.commit(&[(PROJECT, "apiVersion: tranche.dev/v1alpha1\nkind: Project\n")]);
    let ran = stage.apply_wait().ends(65).says("approllout.yaml:").says("\"init\"").says(&wanted);
    assert!(!ran.err.contains("/init"), "no URL: {ran}");
    assert_eq!(stage.tip(), tip);
    assert!(listener.asked().is_empty());
}

#[test]
fn no_token_of_a_hook_is_shown_or_recorded() {
    let listener = moody("/end", &["500 No"]);
    let stage = upgrading(&listener, &[]);
    let tokens = hooked("web-v2", listener.port, "")
        .replace("/pre-0\"", "/pre-0/AbCdEfGh0123456789?sig=Qq1Ww2Ee3Rr4\"")
        .replace("{team: shop}", "{team: Zz9Yy8Xx7Vv6Uu5}");
    stage.commit(&[(ROLLOUT, &tokens)]);
    let mut all = String::new();
    for arguments in [&["plan"][..], &["plan", "-o", "json"], &["apply"], &["status"], &["log"]] {
        let ran = stage.run(arguments);
        all.push_str(&ran.out);
        all.push_str(&ran.err);
    }
    stage.commit(&[(ROLLOUT, &tokens.replace("type: post-batch-rollout", "type: after"))]);
    let ran = stage.apply().ends(65);
    all.push_str(&ran.err);
    assert!(all.contains("\"end\"") && all.contains("\"pre-0\""), "{all}");
    let repository = stage.repository();
    let tree = repository.find_reference(RECORD).unwrap().peel_to_tree().unwrap();
    let mut files = 0;
    tree.walk(git2::TreeWalkMode::PreOrder, |_, entry| {
        if let Ok(blob) = repository.find_blob(entry.id()) {
            all.push_str(&String::from_utf8_lossy(blob.content()));
            files += 1;
        }
        git2::TreeWalkResult::Ok
    })
    .unwrap();
    assert!(files > 1, "a record is read");
    all.push_str(&format!("{:?}", stage.log()));
    for token in ["AbCdEfGh0123456789", "Qq1Ww2Ee3Rr4", "Zz9Yy8Xx7Vv6Uu5"] {
        assert!(!all.contains(token), "{token} in {all}");
    }
}
