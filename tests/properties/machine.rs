//! The state machine, all of it.

use proptest::prelude::*;
use tranche::core::decide::{BatchState, Event, RollingState, State, Transition, transition};

/// Every pair of rolling and batch state, documented or not.
fn pairs() -> impl Iterator<Item = State> {
    RollingState::ALL
        .into_iter()
        .flat_map(|rolling| BatchState::ALL.map(|batch| State { rolling, batch }))
}

#[test]
fn every_pair_of_state_and_event_has_an_answer() {
    for state in pairs() {
        for event in Event::ALL {
            if let Transition::To(next) = transition(state, event) {
                assert_eq!(state.after(&[event]), next);
            } else {
                assert_eq!(state.after(&[event]), state);
            }
        }
    }
}

/// Outside `rollingInBatches` the batch state says nothing.
#[test]
fn the_batch_state_counts_only_in_batches() {
    for state in pairs().filter(|state| state.rolling != RollingState::RollingInBatches) {
        for event in Event::ALL {
            let bare = State { batch: BatchState::BatchInitializing, ..state };
            assert_eq!(transition(state, event), transition(bare, event), "{state} {event}");
        }
    }
}

#[test]
fn an_abort_is_accepted_until_the_end_and_ends_in_failed() {
    for state in pairs().filter(|state| !state.rolling.terminal()) {
        assert_ne!(transition(state, Event::Aborted), Transition::Impossible, "{state}");
        let end = state.after(&[Event::Aborted, Event::Finalized]);
        assert_eq!(end.rolling, RollingState::RolloutFailed, "{state}");
    }
}

#[test]
fn an_end_is_left_only_by_a_new_target_or_a_retry() {
    for state in pairs().filter(|state| state.rolling.terminal()) {
        for event in Event::ALL {
            let leaves = state.after(&[event]).rolling != state.rolling;
            if leaves {
                assert!(matches!(event, Event::Modified | Event::Retried), "{state} {event}");
            }
        }
        assert_ne!(state.after(&[Event::Modified]), state);
    }
}

/// From every state some way leads to an end.
#[test]
fn every_state_can_end() {
    for state in pairs() {
        let mut seen = vec![state];
        let mut next = 0;
        while let Some(at) = seen.get(next).copied() {
            next += 1;
            for event in Event::ALL {
                let to = at.after(&[event]);
                if !seen.contains(&to) {
                    seen.push(to);
                }
            }
        }
        assert!(seen.iter().any(|to| to.rolling == RollingState::RolloutSucceed), "{state}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, in whatever order: the state is one that the page on
    /// the state machine names, and batches are left only through the table.
    #[test]
    fn no_walk_leaves_the_documented_states(
        events in proptest::collection::vec(proptest::sample::select(Event::ALL.to_vec()), 0..60),
    ) {
        let documented: Vec<String> = State::all().iter().map(State::to_string).collect();
        let mut state = State::START;
        for event in events {
            let next = state.after(&[event]);
            prop_assert!(documented.contains(&next.to_string()), "{} {} {}", state, event, next);
            let success = next.rolling == RollingState::RolloutSucceed && next != state;
            if success {
                let earned = matches!(
                    state.rolling,
                    RollingState::Finalising | RollingState::RolloutAbandoning
                );
                prop_assert!(earned, "{} {}", state, event);
            }
            state = next;
        }
    }
}
