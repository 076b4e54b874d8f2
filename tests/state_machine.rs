//! The page on the state machine says what the code does.

#![expect(clippy::disallowed_methods, reason = "a page of the docs is read")]

use tranche::core::decide::{BatchState, Command, Event, RollingState};
use tranche::report::state_machine;

/// Write the page anew with `UPDATE_DOCS=1 cargo test --test state_machine`.
#[test]
fn the_page_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/state-machine.md");
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        std::fs::write(path, state_machine()).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap();
    assert!(
        page == state_machine(),
        "docs/state-machine.md is not what the code says: \
         run `UPDATE_DOCS=1 cargo test --test state_machine`"
    );
}

#[test]
fn the_page_names_everything() {
    let page = state_machine();
    let names = RollingState::ALL
        .map(|state| state.to_string())
        .into_iter()
        .chain(BatchState::ALL.map(|state| state.to_string()))
        .chain(Event::ALL.map(|event| event.to_string()))
        .chain(Command::ALL.map(|command| command.to_string()));
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
