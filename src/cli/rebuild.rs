//! `tranche record rebuild`: a lost or rewound record, from plan and cluster.
//! Owns how it is shown before it is written; what it holds is `engine`'s.

use super::args::{Common, Rebuild};
use super::connect::{only_target, open, wire};
use super::exit::Failure;
use super::settings;
use super::terminal::{hidden, out, say};
use crate::engine::{Engine, Options, Rebuilt, Word};

/// Shows what was found, and writes it if so asked.
pub(super) async fn run(common: &Common, options: &Rebuild) -> Result<u8, Failure> {
    let repository = open(common).await?;
    let target = only_target(common, &repository.project, "the one whose record is to be rebuilt")?;
    let ports = wire(common, &repository, &target).await?;
    let engine = Engine::new(&ports, &target, Options::default());
    let word = Word { by: settings::person(), reason: options.reason.as_deref().map(hidden) };
    show(&target.record_branch, &engine.rebuild(options.write, &word).await?);
    Ok(0)
}

fn show(branch: &str, rebuilt: &Rebuilt) {
    let line = |text: String| out(say(text));
    line(format!("record branch {branch}: stands at {}", rebuilt.from));
    for revision in &rebuilt.revisions {
        line(format!("  revision {revision}"));
    }
    for (key, words) in &rebuilt.rollouts {
        line(format!("  {key}: {words}"));
    }
    line(
        "what people decided (pause, approve, abort, retry) is in no cluster: say it again"
            .to_owned(),
    );
    match rebuilt.written {
        Some(seq) => line(format!("written as {seq}; `tranche apply` proves it and goes on")),
        None => line("nothing was written; `tranche record rebuild --write` pushes it".to_owned()),
    }
    if rebuilt.undecided > 0 {
        let count = rebuilt.undecided;
        line(format!("{count} of them stay frozen until they are brought by hand to one revision"));
    }
}
