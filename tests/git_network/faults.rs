//! What goes wrong between a push and its answer, and what a fetch meets.

use crate::place::{Place, RECORD, mine, push, record, run};
use std::time::Duration;
use tranche::edge::git::Access;
use tranche::port::{PushOutcome, Remote as _, RemoteError};
use tranche_lab::git::{Fault, Where};

#[test]
fn a_push_whose_answer_is_lost_is_won() {
    let place = Place::closed();
    let remote = place.remote("cache", &mine());
    let first = record(&remote, None, "one");
    place.server.fault(&Fault::LostAck, Where::Receive, Some(1)).unwrap();
    assert_eq!(push(&remote, None, &first).unwrap(), PushOutcome::Won);
    assert_eq!(place.tip(RECORD), Some(first));
    assert_eq!(place.bare.pushes().len(), 1, "and it is not pushed again");
}

#[test]
fn a_push_whose_answer_is_lost_and_that_was_built_on_since_is_won() {
    let place = Place::open();
    let (ours, theirs) = (place.remote("a", &mine()), place.remote("b", &mine()));
    let first = record(&ours, None, "one");
    assert_eq!(push(&ours, None, &first).unwrap(), PushOutcome::Won);
    run(theirs.fetch_record(RECORD)).unwrap();
    let next = record(&theirs, Some(&first), "two");
    assert_eq!(push(&theirs, Some(&first), &next).unwrap(), PushOutcome::Won);
    assert_eq!(push(&ours, None, &first).unwrap(), PushOutcome::Won, "it is in the ancestry");
    assert_eq!(place.tip(RECORD), Some(next));
}

#[test]
fn a_push_that_was_not_answered_at_first_is_pushed_again() {
    let place = Place::open();
    let remote = place.remote("cache", &mine());
    let mut tip = None;
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Close, Fault::Html, Fault::Cut] {
        let next = record(&remote, tip.as_ref(), &format!("{fault:?}"));
        place.server.fault(&fault, Where::Receive, Some(1)).unwrap();
        assert_eq!(push(&remote, tip.as_ref(), &next).unwrap(), PushOutcome::Won, "{fault:?}");
        assert_eq!(place.tip(RECORD).as_ref(), Some(&next));
        tip = Some(next);
    }
    assert_eq!(place.bare.pushes().len(), 5, "each commit was accepted once");
}

#[test]
fn a_push_that_is_never_answered_is_unknown_and_not_refused() {
    let place = Place::open();
    let remote = place.remote("cache", &mine());
    let first = record(&remote, None, "one");
    for (fault, text) in [(Fault::Status(502), "answered 502"), (Fault::Close, "plan.git")] {
        place.server.fault(&fault, Where::Receive, None).unwrap();
        let error = push(&remote, None, &first).unwrap_err();
        assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains(text), "{error}");
        place.server.heal().unwrap();
    }
    assert_eq!(place.tip(RECORD), None);
    assert_eq!(push(&remote, None, &first).unwrap(), PushOutcome::Won);
}

#[test]
fn a_refusing_hook_and_a_protected_branch_are_refusals_with_the_servers_words() {
    let place = Place::open();
    let remote = place.remote("cache", &mine());
    let first = record(&remote, None, "one");
    for hook in ["pre-receive", "update"] {
        place.bare.hook(hook, "printf 'GH006: \\033[1mprotected branch\\n' >&2; exit 1").unwrap();
        let refused = push(&remote, None, &first).unwrap();
        let PushOutcome::Refused(said) = refused else { panic!("{refused:?}") };
        assert!(said.contains("protected branch") && !said.contains('\u{1b}'), "{said}");
        place.bare.hook(hook, "exit 0").unwrap();
    }
    assert_eq!(push(&remote, None, &first).unwrap(), PushOutcome::Won);
}

#[test]
fn a_cut_pack_fails_the_fetch_and_leaves_the_cache_whole() {
    let place = Place::open();
    let remote = place.remote("cache", &mine());
    place.server.fault(&Fault::Cut, Where::Upload, None).unwrap();
    let error = run(remote.fetch(RECORD)).unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
    place.server.heal().unwrap();
    let tips = run(remote.fetch(RECORD)).unwrap();
    assert_eq!(Some(tips.plan), place.tip("main"));
}

#[test]
fn answers_that_are_none_are_told_apart() {
    let place = Place::open();
    let remote = place.remote("cache", &mine());
    let cases = [
        (Fault::Status(403), "no access"),
        (Fault::Status(404), "no repository there"),
        (Fault::Status(500), "answered 500"),
        (Fault::Status(503), "answered 503"),
        (Fault::Html, "no git server"),
        (Fault::Close, "plan.git"),
    ];
    for (fault, text) in cases {
        place.server.fault(&fault, Where::Any, None).unwrap();
        let error = run(remote.fetch(RECORD)).unwrap_err();
        let class = match fault {
            Fault::Status(403) => matches!(error, RemoteError::Unauthorized { .. }),
            Fault::Status(404) => matches!(error, RemoteError::NotFound { .. }),
            _ => matches!(error, RemoteError::Unreachable { .. }),
        };
        assert!(class && error.to_string().contains(text), "{fault:?}: {error:?}");
        // Above all it is never "there is no record".
        let error = run(remote.fetch_record(RECORD)).unwrap_err();
        assert!(error.to_string().contains(text), "{fault:?}: {error:?}");
        place.server.heal().unwrap();
    }
}

#[test]
fn a_server_that_hangs_is_given_up_at_the_deadline() {
    let place = Place::open();
    let short = mine().with_deadline(Some(Duration::from_secs(1)));
    for at in [Where::Info, Where::Upload] {
        let remote = place.remote("cache", &short);
        place.server.fault(&Fault::Hang, at, None).unwrap();
        let error = run(remote.fetch(RECORD)).unwrap_err();
        assert!(matches!(error, RemoteError::Timeout { seconds: 1, .. }), "{error:?}");
        place.server.heal().unwrap();
    }
    // A push that hangs: nobody knows, until the refs are read.
    let remote = place.remote("cache", &short);
    let first = record(&remote, None, "one");
    place.server.fault(&Fault::Hang, Where::Receive, None).unwrap();
    let error = push(&remote, None, &first).unwrap_err();
    assert!(matches!(error, RemoteError::Timeout { .. }), "{error:?}");
}

#[test]
fn a_redirect_to_another_host_is_named_and_not_followed() {
    let place = Place::closed();
    let other = Place::closed();
    place.server.fault(&Fault::Redirect(other.server.origin()), Where::Any, None).unwrap();
    let before = other.server.seen().unwrap();
    let remote = place.remote("cache", &mine());
    let error = run(remote.fetch(RECORD)).unwrap_err();
    let RemoteError::Redirected { to, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*to, other.http());
    assert_eq!(other.server.seen().unwrap(), before, "it was never asked");
}

#[test]
fn a_closed_port_is_unreachable() {
    let place = Place::open();
    let remote = place.remote("cache", &Access::default());
    let port = place.server.origin();
    drop(place.server);
    let error = run(remote.fetch(RECORD)).unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(port.trim_start_matches("http://")), "{error}");
}
