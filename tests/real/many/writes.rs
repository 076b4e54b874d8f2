//! The writes of the audit log, each with the step whose mark it carries.

use std::collections::BTreeMap;
use tranche::core::strategy::{ANNOTATION_EPOCH, ANNOTATION_STEP};
use tranche_lab::Request;

/// The answer to a write whose object is another one by then.
const CONFLICT: u16 = 409;

/// What was written in all.
#[derive(Debug, Default)]
pub struct Written {
    pub applies: usize,
    pub deletes: usize,
    /// By the application's workload.
    pub evictions: BTreeMap<String, Vec<String>>,
    /// Writes that another one came before, and that came again.
    pub conflicts: usize,
    pub leases: usize,
}

/// One write as the server did it.
#[derive(Clone, Debug)]
pub struct Did {
    pub what: What,
    /// `Kind/namespace/name`.
    pub object: String,
}

#[derive(Clone, Debug)]
pub enum What {
    /// An apply with its mark and its epoch; whether it made the object.
    Applied {
        mark: (String, usize),
        epoch: u64,
        made: bool,
    },
    Deleted,
    Evicted,
}

impl Written {
    /// The writes among these requests in these namespaces, oldest first.
    pub fn read(&mut self, requests: &[Request], namespaces: &[String]) -> Vec<Did> {
        let mut found = Vec::new();
        for request in requests {
            let ours = request.namespace.is_empty() || namespaces.contains(&request.namespace);
            let dry = !request.sent["deleteOptions"]["dryRun"].is_null();
            if !ours || dry || !request.is_write() {
                continue;
            }
            // A controller may write between a look and the write, which its
            // precondition keeps out then: nothing was written, and it comes again.
            if request.code == CONFLICT {
                self.conflicts += 1;
                continue;
            }
            assert!(request.succeeded(), "a refused write: {request:?}");
            if request.resource == "leases" {
                assert_eq!(request.name, "tranche-lab", "{request:?}");
                self.leases += 1;
                continue;
            }
            found.push(self.one(request));
        }
        found
    }

    fn one(&mut self, request: &Request) -> Did {
        let (namespace, name) = (&request.namespace, &request.name);
        let object = |kind: &str, name: &str| format!("{kind}/{namespace}/{name}");
        match (request.verb.as_str(), request.resource.as_str()) {
            ("create", "pods/eviction") => {
                let object = object("DaemonSet", name.rsplit_once('-').unwrap().0);
                self.evictions.entry(object.clone()).or_default().push(name.clone());
                Did { what: What::Evicted, object }
            }
            ("delete", plural) => {
                self.deletes += 1;
                Did { what: What::Deleted, object: object(kind(plural), name) }
            }
            ("patch", plural) => {
                self.applies += 1;
                let annotations = &request.sent["metadata"]["annotations"];
                let text = |key: &str| annotations[key].as_str().map(str::to_owned);
                let mark = text(ANNOTATION_STEP).and_then(|mark| mark_of(&mark));
                let epoch = text(ANNOTATION_EPOCH).and_then(|epoch| epoch.parse().ok());
                let (Some(mark), Some(epoch)) = (mark, epoch) else {
                    panic!("a write without a mark: {request:?}")
                };
                let what = What::Applied { mark, epoch, made: request.code == 201 };
                Did { what, object: object(kind(plural), name) }
            }
            _ => panic!("a write of no step: {request:?}"),
        }
    }
}

fn mark_of(mark: &str) -> Option<(String, usize)> {
    let (step, effect) = mark.split_once('/')?;
    Some((step.to_owned(), effect.parse().ok()?))
}

fn kind(plural: &str) -> &'static str {
    match plural {
        "deployments" => "Deployment",
        "statefulsets" => "StatefulSet",
        "daemonsets" => "DaemonSet",
        "clonesets" => "CloneSet",
        "services" => "Service",
        "ingresses" => "Ingress",
        "httproutes" => "HTTPRoute",
        "gateways" => "Gateway",
        "configmaps" => "ConfigMap",
        other => panic!("a write to {other}"),
    }
}
