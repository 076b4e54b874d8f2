//! Two pushes at once, from the same base: one wins, the other loses, and it
//! is never taken for a refusal.

use crate::place::{Place, RECORD, mine, push, record, run};
use tranche::edge::git::{Access, GitRemote, RemoteUrl};
use tranche::port::{PushOutcome, Remote as _};

/// Lets two remotes push from one base while a hook holds both up.
fn race(place: &Place, remote: &(dyn Fn(&str) -> GitRemote + Sync)) {
    let first = remote("base");
    let base = record(&first, None, "base");
    push(&first, None, &base).unwrap();
    // Both have sent everything before either ref is updated.
    place.bare.hook("pre-receive", "sleep 1").unwrap();
    let outcomes: Vec<PushOutcome> = std::thread::scope(|scope| {
        let base = &base;
        let run_one = |name: &'static str| {
            scope.spawn(move || {
                let remote = remote(name);
                run(remote.fetch_record(RECORD)).unwrap();
                let new = record(&remote, Some(base), name);
                push(&remote, Some(base), &new).unwrap()
            })
        };
        let threads = [run_one("a"), run_one("b")];
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!((count(PushOutcome::Won), count(PushOutcome::Lost)), (1, 1), "{outcomes:?}");
    assert_eq!(place.bare.pushes().len(), 2, "the base and the winner");
}

#[test]
fn of_two_pushes_at_once_over_http_one_wins_and_one_loses() {
    let place = Place::closed();
    race(&place, &|cache| place.remote(cache, &mine()));
}

#[test]
fn of_two_pushes_at_once_over_ssh_one_wins_and_one_loses() {
    let place = Place::closed();
    let ssh = place.server.keys().command("client", "known_hosts");
    let access = Access::default().with_ssh(Some(ssh));
    let url = RemoteUrl::parse(&place.server.ssh("plan.git")).unwrap().opened_by(&access, &[]);
    race(&place, &|cache| GitRemote::open(&url, "main", &place.path(cache)).unwrap());
}
