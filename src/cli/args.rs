//! What can be typed. Owns commands, options and their help; it must never do
//! anything with them.

use super::decide::Wanted;
use crate::core::dialect::seconds;
use crate::report::Forge;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Progressive delivery on Kubernetes from git, with nothing to install in the
/// cluster.
#[derive(Debug, Parser)]
#[command(name = "tranche", version, propagate_version = true)]
#[command(after_help = "Exit codes: 0 done · 1 failed · 2 changes (plan --detailed-exitcode) · \
    3 waiting · 4 failed or given up · 5 another run · 6 not what was reviewed · 7 applied, not recorded · 64 usage · \
    65 invalid plan · 77 refused by a safety rule · 130, 143 stopped by a signal\n\
    Environment: TRANCHE_REPO, TRANCHE_GIT_USERNAME, TRANCHE_GIT_PASSWORD, TRANCHE_GIT_TIMEOUT, \
    TRANCHE_LOG, NO_COLOR, XDG_STATE_HOME, XDG_CACHE_HOME; the README says what each is for")]
pub struct Arguments {
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// The plan repository: a path, or a URL of git (https, ssh, file)
    #[arg(
        long,
        global = true,
        value_name = "PATH|URL",
        default_value = ".",
        env = "TRANCHE_REPO",
        hide_env_values = true
    )]
    pub repo: String,
    /// The plan branch (default: the branch that the remote's HEAD points to)
    #[arg(long = "ref", global = true, value_name = "BRANCH")]
    pub reference: Option<String>,
    /// The target (default: all declared ones, in order)
    #[arg(long, global = true, value_name = "NAME")]
    pub target: Option<String>,
    /// The kubeconfig (default: KUBECONFIG, then ~/.kube/config)
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a first plan into a directory
    #[command(
        after_help = "Example:\n  tranche init shop && cd shop && git init && git add . && git commit -m plan"
    )]
    Init(Init),
    /// Check a plan, and tell what may surprise
    #[command(after_help = "Example:\n  tranche lint --worktree")]
    Lint(Source),
    /// Print the objects that a plan renders
    #[command(
        after_help = "They are as rendered, before a rollout names them by revision, and without secret \
    values; `tranche plan` shows what changes on the cluster.\n\nExample:\n  tranche render --worktree > rendered.yaml"
    )]
    Render(Source),
    /// Show the steps to come and what they change
    #[command(
        after_help = "docs/review.md says how to read it.\n\nExample:\n  tranche plan --worktree --detailed-exitcode\n  tranche plan -o markdown --full-diff plan.diff > comment.md\n  tranche plan --out plan.json && tranche apply --plan plan.json"
    )]
    Plan(Plan),
    /// Take every step that is due
    #[command(after_help = "Example:\n  tranche apply --wait 10m --ok-exit waiting,busy")]
    Apply(Apply),
    /// Show where every rollout stands
    #[command(
        after_help = "It reads the record alone. A name also shows the steps one by one, and what runs as it was \
    seen last; `--tree` looks at the cluster.\n\nExample:\n  tranche status web --tree\n  tranche status -o json | jq '.rollouts[].status.rollingState'"
    )]
    Status(Status),
    /// Show the record: what happened, when, and who decided
    #[command(after_help = "Example:\n  tranche log -n 20 web")]
    Log(Log),
    /// Watch a whole rollout from git on the embedded cluster
    #[command(after_help = "Example:\n  tranche demo --dir /tmp/tranche-demo")]
    Demo(Demo),
    /// Hold a rollout before its next batch
    #[command(after_help = "Example:\n  tranche pause web --reason 'error rate is up'")]
    Pause(Decision),
    /// Take the hold away
    #[command(after_help = "Example:\n  tranche resume web")]
    Resume(Decision),
    /// Let the batch begin that a gate of the plan holds back
    #[command(
        after_help = "It opens the gate that the rollout stands at now, and no other.\n\nExamples:\n  tranche approve web --reason 'numbers look good'\n  tranche approve web --all-gates --reason 'the fix for tonight'"
    )]
    Approve(Approve),
    /// Bring a rollout back to its stable revision
    #[command(
        after_help = "Example:\n  tranche abort web --reason 'checkout is broken' && tranche apply --wait 10m"
    )]
    Abort(Decision),
    /// Try a failed rollout again
    #[command(after_help = "Example:\n  tranche retry web")]
    Retry(Decision),
    /// Say that the run which holds a step is gone
    #[command(
        after_help = "Example:\n  tranche unlock 8eda84a09302 --reason 'the runner was deleted'"
    )]
    Unlock(Unlock),
    /// Say that a target's cluster was rebuilt, so that it is filled again
    #[command(after_help = "Example:\n  tranche adopt --rebuilt --target production")]
    Adopt(Adopt),
    /// Change the image of one component in the plan files, at its place
    #[command(
        after_help = "It changes files of the checkout, shows what, and commits nothing.\n\nExample:\n  tranche patch pet-be controller --container-image mycontainerorg/hello:1.0.1"
    )]
    Patch(Patch),
    /// Lead clients of an application to another instance of it
    #[command(
        visible_alias = "route-traffic",
        after_help = "It changes a Route among the files of the checkout, shows what, and commits nothing. All of \
    the requests go over without -p; -p 0 takes them back.\n\nExamples:\n  tranche route -d pet-be -t pet-be-v2 -p 50\n  tranche route -s pet-fe -d pet-be -t pet-be-v2"
    )]
    Route(Reroute),
    /// Take an instance out of the plan once no client points at it
    #[command(
        visible_aliases = ["terminate", "term"],
        after_help = "It changes files of the checkout, shows what, and commits nothing.\n\nExample:\n  tranche retire pet-be"
    )]
    Retire(Retire),
    /// Work on a record branch that was damaged
    #[command(subcommand, after_help = "Example:\n  tranche record rebuild")]
    Record(Record),
    /// Print the JSON Schema of a plan kind, of what `plan -o json` prints, or of a saved plan
    #[command(after_help = "Example:\n  tranche schema --all schemas")]
    Schema(Schema),
}

/// Options of `init`.
#[derive(Args, Debug)]
pub struct Init {
    /// The directory; it may exist if it holds none of the files
    #[arg(default_value = ".")]
    pub dir: PathBuf,
}

/// Options of commands that read a plan.
#[derive(Args, Clone, Debug)]
pub struct Source {
    /// Read the files of the checkout, committed or not
    #[arg(long)]
    pub worktree: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Options of `plan`.
#[derive(Args, Debug)]
pub struct Plan {
    /// Read the files of the checkout, committed or not
    #[arg(long)]
    pub worktree: bool,
    /// Exit with 2 if there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Take a plan branch whose history was rewritten
    #[arg(long)]
    pub accept_rewind: bool,
    /// Delete even more than half of the objects that were applied for one owner
    #[arg(long)]
    pub allow_prune: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = PlanForm::Text)]
    pub output: PlanForm,
    /// Whose limit a comment in Markdown keeps; the smallest is GitHub's
    #[arg(long, value_enum, value_name = "FORGE", default_value_t = ForgeName::Github)]
    pub forge: ForgeName,
    /// Write the whole text to a file, whatever is printed
    #[arg(long, value_name = "FILE")]
    pub full_diff: Option<PathBuf>,
    /// Save the plan for `apply --plan`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How long the saved plan may be applied (default: 24h)
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "out")]
    pub expires: Option<Duration>,
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanForm {
    /// For people at a terminal.
    Text,
    /// For programs: `tranche schema plan`.
    Json,
    /// For a comment on a pull request.
    Markdown,
    /// A page of its own.
    Html,
}

/// A forge, by its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ForgeName {
    /// 65,536 characters.
    Github,
    /// 1,000,000 characters.
    Gitlab,
    /// 1,000,000 characters.
    Gitea,
}

impl ForgeName {
    /// The forge that is meant.
    pub fn forge(self) -> Forge {
        match self {
            Self::Github => Forge::GitHub,
            Self::Gitlab => Forge::GitLab,
            Self::Gitea => Forge::Gitea,
        }
    }
}

/// Options of `apply`.
#[derive(Args, Clone, Debug)]
pub struct Apply {
    /// Go on to the end, a gate, or this long, such as 90s, 10m or 1h30m; 0s writes
    /// what is due and waits for nothing
    #[arg(long, value_name = "DURATION", value_parser = wait)]
    pub wait: Option<Duration>,
    /// Do what was reviewed and nothing else: a file of `plan --out`
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Take a plan branch whose history was rewritten
    #[arg(long)]
    pub accept_rewind: bool,
    /// Delete even more than half of the objects that were applied for one owner
    #[arg(long)]
    pub allow_prune: bool,
    /// Ends that count as success, with commas between them
    #[arg(long, value_enum, value_delimiter = ',', value_name = "END")]
    pub ok_exit: Vec<OkExit>,
    /// Write how each entity ended as JSON, whatever the exit code
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
}

/// Ends that `--ok-exit` turns into success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OkExit {
    /// 3: at a gate, a hold, or for readiness.
    Waiting,
    /// 5: another run holds it, or won the race.
    Busy,
}

/// Options of `status`.
#[derive(Args, Debug)]
pub struct Status {
    /// Only this rollout or application, and more of it: NAME or NAMESPACE/NAME
    pub rollout: Option<String>,
    /// Show each object as it stands on the cluster, which is read for it
    #[arg(long)]
    pub tree: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Options of `log`.
#[derive(Args, Debug)]
pub struct Log {
    /// Only this rollout: NAME or NAMESPACE/NAME
    pub rollout: Option<String>,
    /// At most so many commits
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_count: Option<u32>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Options of `demo`.
#[derive(Args, Debug)]
pub struct Demo {
    /// Where to make the demo; it must not exist (default: a new directory
    /// under the temporary one)
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

/// Options of `pause`, `resume`, `approve`, `abort` and `retry`.
#[derive(Args, Debug)]
pub struct Decision {
    /// The rollout: NAME or NAMESPACE/NAME
    pub rollout: String,
    /// Why; it is recorded
    #[arg(long)]
    pub reason: Option<String>,
}

/// Options of `approve`.
#[derive(Args, Debug)]
pub struct Approve {
    /// What is approved, and why.
    #[command(flatten)]
    pub decision: Decision,
    /// Open every gate that is left on the way to this revision, in this attempt;
    /// each batch still waits for its pods
    #[arg(long)]
    pub all_gates: bool,
}

impl Approve {
    /// The decision that it is.
    pub(super) fn wanted(&self) -> Wanted {
        if self.all_gates { Wanted::ApproveAll } else { Wanted::Approve }
    }
}

/// Options of `unlock`.
#[derive(Args, Debug)]
pub struct Unlock {
    /// The step's id, or at least six digits of it
    pub step: String,
    /// Give the step up where it stands, for one that nobody can go on with
    #[arg(long)]
    pub abandon: bool,
    /// Why; it is recorded
    #[arg(long)]
    pub reason: Option<String>,
}

/// Options of `patch`.
#[derive(Args, Debug)]
pub struct Patch {
    /// The application: NAME or NAMESPACE/NAME
    pub instance: String,
    /// Its component, with or without the application's name in front
    pub component: String,
    /// The new image
    #[arg(short = 'i', long, value_name = "IMAGE", value_parser = image)]
    pub container_image: String,
    /// The container (default: the component's own)
    #[arg(short = 'n', long, visible_alias = "container", value_name = "NAME")]
    pub container_name: Option<String>,
    /// A value of its environment; may be given several times
    #[arg(short = 'e', long, value_name = "KEY=VALUE", value_parser = variable)]
    pub env: Vec<(String, String)>,
}

/// Options of `route`.
#[derive(Args, Debug)]
pub struct Reroute {
    /// The instance that clients depend on: NAME or NAMESPACE/NAME
    #[arg(short = 'd', long, value_name = "INSTANCE")]
    pub dependency: String,
    /// The instance that they are led to; `--target` names the cluster's target
    #[arg(short = 't', long, value_name = "INSTANCE")]
    pub to: String,
    /// Only these clients, with commas between them (default: all that depend on it)
    #[arg(short = 's', long, value_name = "CLIENT", value_delimiter = ',', value_parser = client)]
    pub source: Vec<String>,
    /// The share of their requests in per cent
    #[arg(
        short = 'p',
        long,
        value_name = "PERCENT",
        default_value_t = 100,
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(u8).range(..=100)
    )]
    pub percentage: u8,
    /// Keep users on one side, by the header that carries their bucket
    #[arg(short = 'a', long)]
    pub enable_session_awareness: bool,
    /// The header that carries a user's bucket
    #[arg(
        long,
        value_name = "HEADER",
        default_value = "x-instance-id",
        requires = "enable_session_awareness",
        value_parser = header
    )]
    pub session_header: String,
    /// Write into the plan that differences of APIs are accepted
    #[arg(short = 'y', long, visible_alias = "acknowledge")]
    pub assume_yes: bool,
}

/// Options of `retire`.
#[derive(Args, Debug)]
pub struct Retire {
    /// The applications, each as NAME or NAMESPACE/NAME
    #[arg(value_name = "INSTANCE", required = true)]
    pub instances: Vec<String>,
}

/// Options of `adopt`.
#[derive(Args, Debug)]
pub struct Adopt {
    /// The cluster was wiped or replaced, and takes the recorded one's place
    #[arg(long, required = true)]
    pub rebuilt: bool,
    /// Why; it is recorded
    #[arg(long)]
    pub reason: Option<String>,
}

/// The commands of `record`.
#[derive(Debug, Subcommand)]
pub enum Record {
    /// Put a lost or rewound record together again from plan and cluster
    #[command(after_help = "Example:\n  tranche record rebuild && tranche record rebuild --write")]
    Rebuild(Rebuild),
}

/// Options of `record rebuild`.
#[derive(Args, Debug)]
pub struct Rebuild {
    /// Push it; without this it is only shown
    #[arg(long)]
    pub write: bool,
    /// Why; it is recorded
    #[arg(long)]
    pub reason: Option<String>,
}

/// Options of `schema`.
#[derive(Args, Debug)]
pub struct Schema {
    /// The kind: application, approllout, project, plan, or saved-plan
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub kind: Option<String>,
    /// Write every schema into a directory
    #[arg(long, value_name = "DIR")]
    pub all: Option<PathBuf>,
}

/// An image: a word.
fn image(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(char::is_whitespace) {
        true => Err(format!("\"{text}\" is no image; write registry/name:tag")),
        false => Ok(text.to_owned()),
    }
}

/// A client among several.
fn client(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a name is missing beside a comma".to_owned()),
        name => Ok(name.to_owned()),
    }
}

/// A header's name, in lower case as meshes write it.
fn header(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match !text.is_empty() && text.chars().all(fits) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!("\"{text}\" is no name of a header; write letters, digits and `-`")),
    }
}

/// A name and its value, which may have any `=` in it.
fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("no KEY=VALUE; write the name, `=` and the value".to_owned()),
    }
}

/// How long to wait: a duration, or not at all.
fn wait(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") { Ok(Duration::ZERO) } else { duration(text) }
}

/// A duration, in the notation of plans.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let found = seconds(text).map(|seconds| Duration::from_secs(u64::from(seconds)));
    found.ok_or_else(|| {
        format!("\"{text}\" is no duration from 1s to 168h; write 90s, 10m or 1h30m")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_sound_and_every_command_shows_an_example() {
        Arguments::command().debug_assert();
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("tranche "), "{} has no example", command.get_name());
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        for wrong in ["", "0", "m", "1h30", "10x", "-5m", "1.5h", "10m10m", "5m1h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
