//! What the API server saw, against what the record says: nothing is written
//! that no result names, and what a result names was written.

use crate::record::Write;
use crate::site::Site;
use crate::webservice::{APPLICATION, FIRST, second_application, second_rollout};
use tranche_lab::{Request, User};

/// The answer to a write whose object is another one by then.
const CONFLICT: u16 = 409;

impl Site<'_> {
    /// What somebody asked in this site's namespace, and in none.
    fn asked(&self, user: User) -> Vec<Request> {
        let all = self.plane.requests(user).unwrap().into_iter();
        all.filter(|r| r.namespace.is_empty() || r.namespace == self.namespace.name()).collect()
    }

    /// Tranche's writes since the anchor was last raised, for each time that
    /// it was raised before a write: the writes of each intent, oldest first.
    fn audited_writes(&self) -> Vec<Vec<Write>> {
        let mut groups = vec![Vec::new()];
        for request in self.asked(User::Tranche) {
            if !request.is_write() {
                continue;
            }
            // A controller may write between our look and our write, which its
            // precondition keeps out then: nothing was written, and it comes again.
            if request.code == CONFLICT {
                continue;
            }
            assert!(request.succeeded(), "a refused write: {request:?}");
            if request.resource == "leases" {
                groups.push(Vec::new());
                continue;
            }
            let (namespace, name) = (&request.namespace, &request.name);
            let object = format!("{}/{namespace}/{name}", kind(&request.resource));
            groups.last_mut().unwrap().push(Write { verb: request.verb, object });
        }
        groups.retain(|group| !group.is_empty());
        groups
    }
}

fn kind(plural: &str) -> &str {
    match plural {
        "deployments" => "Deployment",
        "services" => "Service",
        other => panic!("a write to {other}"),
    }
}

#[test]
fn the_writes_of_the_audit_log_are_those_that_the_results_name() {
    let site = Site::new("audit");
    site.commit(&[("application.yaml", APPLICATION), ("approllout.yaml", FIRST)]);
    site.apply_wait().ends(0);
    site.commit(&[
        ("application.yaml", &second_application()),
        ("approllout.yaml", &second_rollout()),
    ]);
    site.apply_wait().ends(0);
    let recorded = site.recorded_writes();
    assert_eq!(recorded.len(), 6, "three batches twice: {recorded:#?}");
    assert_eq!(recorded[0].len(), 3, "two objects made, and one scaled: {recorded:#?}");
    assert_eq!(recorded[5].last().unwrap().verb, "delete", "the old side goes: {recorded:#?}");
    assert_eq!(site.audited_writes(), recorded);
}

#[test]
fn a_plan_writes_nothing_and_a_reader_may_not_apply() {
    let mut site = Site::new("reader");
    site.commit(&[("application.yaml", APPLICATION), ("approllout.yaml", FIRST)]);
    site.run(&["plan"]).ends(0).says("web-v1");
    let asked = site.asked(User::Tranche);
    assert!(asked.iter().any(Request::is_dry_run), "the plan is a server's dry-run: {asked:#?}");
    assert!(!asked.iter().any(Request::is_write), "{asked:#?}");

    site.user = User::Reader;
    site.run(&["apply"]).ends(77).says("this identity may not patch Deployment");
    let asked = site.asked(User::Reader);
    assert!(!asked.is_empty());
    assert!(!asked.iter().any(Request::is_write), "{asked:#?}");
    assert_eq!(site.recorded_writes(), Vec::<Vec<Write>>::new());
}
