//! That an account can fail: each way in which the record and the audit log can
//! differ.

use super::account::{Standing, agree};
use super::steps::{End, Record, Step};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tranche::core::strategy::{ANNOTATION_EPOCH, ANNOTATION_STEP};
use tranche_lab::Request;

/// Two steps of one entity and what the server saw of them, and then each way
/// in which the two can differ.
#[test]
fn an_account_that_differs_is_no_account() {
    let step = |id: &str, effects: &[&str], intent: u64| Step {
        id: id.to_owned(),
        entity: "rollout shop/web".to_owned(),
        effects: effects.iter().map(|effect| (*effect).to_owned()).collect(),
        intents: vec![intent],
        end: Some(End::Whole),
    };
    let first =
        ["apply Deployment/shop/web-v2 with 0 replicas", "scale Deployment/shop/web-v2 to 3"];
    let second = ["scale Deployment/shop/web-v1 to 0", "delete Deployment/shop/web-v1"];
    let steps = vec![step("aaa", &first, 7), step("bbb", &second, 9)];
    let mut record = Record { steps, commits: 4, tip: String::new() };
    let write = |name: &str, mark: &str, epoch: u64, code: u16| Request {
        user: "tranche".to_owned(),
        verb: if mark.is_empty() { "delete" } else { "patch" }.to_owned(),
        group: "apps".to_owned(),
        resource: "deployments".to_owned(),
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        uri: format!("/apis/apps/v1/namespaces/shop/deployments/{name}"),
        code,
        sent: json!({"metadata": {"annotations":
            {ANNOTATION_STEP: mark, ANNOTATION_EPOCH: epoch.to_string()}}}),
        answer: json!(null),
    };
    let all = vec![
        write("web-v2", "aaa/0", 7, 201),
        write("web-v2", "aaa/1", 7, 200),
        write("web-v1", "bbb/0", 9, 409),
        write("web-v1", "bbb/0", 9, 200),
        write("web-v1", "", 0, 200),
    ];
    let holds = |record: &Record, requests: &[Request]| {
        let there = BTreeSet::from(["Deployment/shop/web-v1".to_owned()]);
        let standing = Standing::before(there, BTreeMap::new());
        let agreed = || agree(record, requests, &["shop".to_owned()], standing);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(agreed)).is_ok()
    };
    assert!(holds(&record, &all));
    for at in [0, 1, 3, 4] {
        let mut less = all.clone();
        less.remove(at);
        assert!(!holds(&record, &less), "{at} was not written");
        let mut twice = all.clone();
        twice.insert(at, all[at].clone());
        assert!(!holds(&record, &twice), "{at} was written twice");
    }
    let mut swapped = all.clone();
    swapped.swap(3, 4);
    assert!(!holds(&record, &swapped), "deleted before it was empty");
    let others = [
        write("mail", "aaa/0", 7, 200),
        write("web-v2", "aaa/1", 8, 200),
        write("web-v2", "bbb/1", 9, 200),
        write("web-v2", "aaa/1", 7, 403),
    ];
    for other in others {
        let with = [&all[..], &[other]].concat();
        assert!(!holds(&record, &with), "{with:#?}");
    }
    let mut elsewhere = all.clone();
    elsewhere.push(Request { namespace: "other".to_owned(), ..write("web", "ccc/0", 1, 200) });
    assert!(holds(&record, &elsewhere), "another test's");
    record.steps[1].end = Some(End::Unwritten);
    assert!(!holds(&record, &all), "nothing was to be written");
    assert!(holds(&record, &all[..2]));
}
