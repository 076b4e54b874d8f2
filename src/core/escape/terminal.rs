//! A terminal, which takes escape sequences for commands, and the log of a CI
//! job, which takes lines for them. stdout may be either.

use super::{Sink, plain};

/// A terminal or a CI job's log.
#[derive(Clone, Copy, Debug)]
pub enum Terminal {}

/// What the logs of CI systems take for commands.
#[derive(Clone, Copy, Debug)]
pub enum CiCommand {}

/// Azure Pipelines and GitHub look for these anywhere in a line, TeamCity at
/// its beginning.
const MARKS: &[&str] = &["##vso[", "##teamcity[", "##["];

impl Sink for Terminal {
    fn escape(text: &str) -> String {
        CiCommand::escape(&plain(text))
    }
}

impl Sink for CiCommand {
    /// A command's first sign is shown as `\u{..}`.
    fn escape(text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            let rest = line.trim_start();
            let (space, rest) = line.split_at(line.len() - rest.len());
            out.push_str(space);
            // GitHub and its like: `::set-output name=x::y`.
            let rest = match rest.strip_prefix("::") {
                Some(rest) => {
                    out.push_str("\\u{3a}:");
                    rest
                }
                None => rest,
            };
            if MARKS.iter().any(|mark| rest.contains(mark)) {
                let shown = |text: String, mark: &&str| {
                    text.replace(*mark, &format!("\\u{{23}}{}", mark.get(1..).unwrap_or_default()))
                };
                out.push_str(&MARKS.iter().fold(rest.to_owned(), shown));
            } else {
                out.push_str(rest);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_commands_a_terminal() {
        let text = "a\u{1b}[2Jb\r\u{9b}c\u{1b}]8;;x\u{7}\u{7f}\u{202e}\n\td";
        assert_eq!(
            Terminal::escape(text),
            "a\\u{1b}[2Jb\\u{d}\\u{9b}c\\u{1b}]8;;x\\u{7}\\u{7f}\\u{202e}\n\td"
        );
    }

    #[test]
    fn nothing_commands_a_ci_system() {
        for (text, wanted) in [
            ("::set-output name=a::b", "\\u{3a}:set-output name=a::b"),
            ("ok\n  ::error::x\n", "ok\n  \\u{3a}:error::x\n"),
            ("x ##vso[task.setvariable]y", "x \\u{23}#vso[task.setvariable]y"),
            ("##teamcity[x]", "\\u{23}#teamcity[x]"),
            ("##[command]x", "\\u{23}#[command]x"),
            ("a::b ## [x]", "a::b ## [x]"),
        ] {
            assert_eq!(Terminal::escape(text), wanted);
        }
    }
}
