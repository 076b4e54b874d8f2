//! What the simulation is asked to do: its own arguments, and those that
//! `cargo test` passes to every test target.

use crate::verdict::Mode;
use clap::Parser;
use std::ops::Range;

/// Runs seeds of the simulation.
#[derive(Debug, Parser)]
#[command(name = "simulation")]
pub struct Arguments {
    /// Replays one seed and prints its trace.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Runs a range of seeds, such as 0..1000000.
    #[arg(long, value_parser = range)]
    pub seeds: Option<Range<u64>>,
    /// Which phases a seed goes through.
    #[arg(long, value_enum, default_value = "any")]
    pub mode: Mode,
    /// Threads of a range; one a core if left out.
    #[arg(long)]
    pub threads: Option<usize>,
    /// Goes on after a violation and counts them by invariant.
    #[arg(long)]
    pub all: bool,
    /// Prints the end of the trace of the first violation.
    #[arg(long, default_value_t = 0)]
    pub tail: usize,
    /// Lists the tests, as the standard harness does.
    #[arg(long)]
    list: bool,
    #[arg(long, hide = true)]
    nocapture: bool,
    #[arg(long, hide = true)]
    ignored: bool,
    #[arg(long, hide = true)]
    include_ignored: bool,
    #[arg(long, hide = true)]
    exact: bool,
    #[arg(long, short = 'q', hide = true)]
    quiet: bool,
    #[arg(long, hide = true)]
    show_output: bool,
    #[arg(long, hide = true)]
    format: Option<String>,
    #[arg(long, short = 'Z', hide = true)]
    unstable: Option<String>,
    #[arg(long, hide = true)]
    color: Option<String>,
    #[arg(long, hide = true)]
    test_threads: Option<usize>,
    #[arg(long, hide = true)]
    skip: Vec<String>,
    /// Runs the bounded set only if one of these is part of its name.
    filters: Vec<String>,
}

/// The one name of the bounded set among the tests.
pub const NAME: &str = "simulation";

impl Arguments {
    /// What the harness asks for instead of a run, if it does.
    pub fn lists(&self) -> bool {
        self.list
    }

    /// Whether the filters leave the bounded set out.
    pub fn filtered_out(&self) -> bool {
        let hits = |filter: &String| {
            if self.exact { filter == NAME } else { NAME.contains(filter.as_str()) }
        };
        let asked = self.filters.is_empty() || self.filters.iter().any(hits);
        !asked || self.skip.iter().any(hits) || self.ignored
    }
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let parts = text.split_once("..").ok_or("a range is FROM..TO")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    let range = number(parts.0)?..number(parts.1)?;
    if range.is_empty() { Err("the range is empty".to_owned()) } else { Ok(range) }
}
