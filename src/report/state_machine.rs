//! The page on the state machine. Owns its words; its tables are asked of the
//! code, so that they cannot say anything else.

use crate::core::decide::{
    Answer, BatchState, Command, Event, Gate, RollingState, Stance, State, Transition, transition,
};

const OPENING: &str = "\
# The state machine of a rollout

<!-- Generated from the code: UPDATE_DOCS=1 cargo test --test state_machine -->

The states and their spelling are KubeVela's. The machine is total: every pair
of state and event has an answer, and an event that cannot happen in a state
changes nothing there.

## When a state is entered

A state is on the record only if a commit of the record branch says so. Each
phase of a commit (its `Phase` trailer) enters these:

| phase | what it means | states it enters |
|---|---|---|
| `publish` | a revision is numbered | none: no rollout moves |
| `intent` of a batch | the run that won this push writes | `rollingInBatches` / `batchInRolling` |
| `waiting` | the writes up to here are done, and the lock is given back | `rollingInBatches` / `batchVerifying` |
| `result` of a batch, succeeded | its pods were seen ready | `rollingInBatches` / `batchReady`; after the last batch `rolloutSucceed` |
| `result` of a batch, failed | its pods were not ready before the deadline | `rolloutFailing` |
| `result` of a batch, stopped | an abort met the open batch at the end of an effect | `rolloutFailing` |
| `intent` of an abort | the way back to the stable revision begins | `rolloutFailing` after an abort or a deadline, `rolloutAbandoning` for another target, `RolloutDeletingState` if the rollout vanished and its policy is `abort` |
| `result` of an abort | the stable revision has all pods | `rolloutFailed`; for another target `locatingTargetApp`, or `rolloutSucceed` where that target is the stable revision |
| `result` of a settling step | a finished rollout, an application or plain objects stand as the plan says | `rolloutSucceed` |
| `intent` and `result` of bringing back | what stood before a cluster was rebuilt stands again | none: the rollout goes on from where it was |
| `result` of any step, abandoned | a person gave the step up where it stood | `rolloutFailed`; a finished rollout stays finished |
| `decision` | a person paused, resumed, approved, aborted or asked for another attempt, or unlocked a step | none: the next run acts on it |
| `decision` that adopts a rebuilt cluster | the open step is dropped back to the boundary before it | `rollingInBatches` / `batchReady`, or `batchInitializing` before the first batch; other states stay |
| `rebuild` | a lost record is put together from plan and cluster | the state in which the step that was found is open, or `rolloutSucceed` |

Looking for the target (`locatingTargetApp`), checking the plan against
revisions and sizes (`verifyingSpec`) and preparing (`initializing`) are one
decision, recorded by the intent of the first batch: whatever is wrong there is
refused before anything is written. So are the gate before a batch
(`batchInitializing`) and, at the other end, `batchFinalizing` and `finalising`,
which the result passes through. `batchVerifyFailed` stands beside
`rolloutFailing` when a deadline was the cause. A run that finds nothing to do enters no state
and makes no commit.
";

/// The whole page, as Markdown.
#[must_use]
pub fn state_machine() -> String {
    let sections = [OPENING.to_owned(), rolling(), batches(), commands()];
    sections.join("\n")
}

fn rolling() -> String {
    let columns: Vec<String> = RollingState::ALL.iter().map(|s| format!("`{s}`")).collect();
    let mut text = "\
## Rolling states and events

Each cell is the state that the event (left) leads to from the state (top).
*stays* is a legal event that changes nothing; a dash cannot happen; *by batch*
is in the table after this one.

"
    .to_owned();
    text.push_str(&header("event", &columns));
    for event in Event::ALL {
        let cells = RollingState::ALL.map(|rolling| {
            let mut answers: Vec<String> = State::all()
                .into_iter()
                .filter(|state| state.rolling == rolling)
                .map(|state| word(transition(state, event)))
                .collect();
            answers.dedup();
            match answers.as_slice() {
                [one] => one.clone(),
                _ => "*by batch*".to_owned(),
            }
        });
        text.push_str(&row(&format!("`{event}`"), &cells));
    }
    text
}

fn batches() -> String {
    let columns: Vec<String> = BatchState::ALL.iter().map(|s| format!("`{s}`")).collect();
    let mut text = "## Batch states and events, in `rollingInBatches`\n\n".to_owned();
    text.push_str(&header("event", &columns));
    for event in Event::ALL {
        let cells = BatchState::ALL.map(|batch| {
            let state = State { rolling: RollingState::RollingInBatches, batch };
            word(transition(state, event))
        });
        text.push_str(&row(&format!("`{event}`"), &cells));
    }
    text
}

fn commands() -> String {
    let columns: Vec<String> = Command::ALL
        .iter()
        .flat_map(|command| {
            stances(*command).iter().map(move |(when, _)| format!("`{command}`{when}"))
        })
        .collect();
    let mut text = "\
## Commands and states

What a person's command is answered in each state. Only an accepted one is
recorded. The states inside `rollingInBatches` all answer alike. A gate is a
`pause` of the plan, at which a rollout stands in `batchReady`. Whatever else
holds it there, a person's `pause` or `batchPartition`, goes on holding it after
an approval.

"
    .to_owned();
    text.push_str(&header("state", &columns));
    for rolling in RollingState::ALL {
        let Some(state) = State::all().into_iter().find(|state| state.rolling == rolling) else {
            continue;
        };
        let cells: Vec<String> = Command::ALL
            .iter()
            .flat_map(|command| {
                stances(*command).iter().map(|(_, stance)| answer(command.answer(state, *stance)))
            })
            .collect();
        text.push_str(&row(&format!("`{rolling}`"), &cells));
    }
    text
}

/// When a command is answered in another way, in words and as it stands then.
fn stances(command: Command) -> &'static [(&'static str, Stance)] {
    const PLAIN: Stance = Stance { paused: false, gate: Gate::None };
    match command {
        Command::Pause | Command::Resume => {
            &[("", PLAIN), (", while paused", Stance { paused: true, ..PLAIN })]
        }
        Command::Approve => &[
            (", at a closed gate", Stance { gate: Gate::Closed, ..PLAIN }),
            (", at an approved gate", Stance { gate: Gate::Approved, ..PLAIN }),
            (", at no gate", PLAIN),
        ],
        Command::ApproveAll => &[
            (", with gates left", Stance { gate: Gate::Closed, ..PLAIN }),
            (", once more", Stance { gate: Gate::Approved, ..PLAIN }),
            (", with no gate left", PLAIN),
        ],
        Command::Abort | Command::Retry => &[("", PLAIN)],
    }
}

fn word(transition: Transition) -> String {
    match transition {
        Transition::To(state) if state.rolling == RollingState::RollingInBatches => {
            format!("`{}`", state.batch)
        }
        Transition::To(state) => format!("`{}`", state.rolling),
        Transition::Stay => "*stays*".to_owned(),
        Transition::Impossible => "–".to_owned(),
    }
}

fn answer(answer: Answer) -> String {
    match answer {
        Answer::Accepted => "accepted".to_owned(),
        Answer::Already(words) => format!("already: {words}"),
        Answer::Refused(words) => format!("refused: {words}"),
    }
}

fn header(first: &str, columns: &[String]) -> String {
    let mut text = row(first, columns);
    text.push_str(&format!("|{}\n", "---|".repeat(columns.len() + 1)));
    text
}

fn row(first: &str, cells: &[String]) -> String {
    format!("| {first} | {} |\n", cells.join(" | "))
}
