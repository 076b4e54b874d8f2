//! Markdown of a comment on GitHub, GitLab or Gitea: markup, HTML, mentions,
//! references, links that make themselves, and GitLab's quick actions.

use super::{CiCommand, Escaped, Sink, plain};
use crate::core::secrecy::Redacted;

/// A comment in Markdown.
#[derive(Clone, Copy, Debug)]
pub enum Markdown {}

/// Stands behind a sign that would begin a mention or a reference: forges look
/// for those in the text that is left once the Markdown is read.
const GAP: &str = "&#8203;";

impl Sink for Markdown {
    /// A text within a line; line breaks become spaces.
    fn escape(text: &str) -> String {
        inline(text, GAP)
    }
}

/// A text within a line, with `gap` behind what would begin a mention, a
/// reference or a link.
fn inline(text: &str, gap: &str) -> String {
    let text = CiCommand::escape(&plain(text));
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let (mut before, mut rest) = (' ', text.chars().peekable());
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        match c {
            '\n' | '\t' => out.push(' '),
            // Mentions; references to issues, requests, milestones, labels.
            '@' | '#' | '!' | '%' | '~' | '$' | '&' => {
                out.push_str(&format!("&#{};{gap}", u32::from(c)));
            }
            // `https://` and emoji, quick actions, `www.`, `GH-1`.
            ':' if next != ' ' => out.push_str(&format!("&#58;{gap}")),
            '/' if before == ' ' => out.push_str(&format!("&#47;{gap}")),
            '.' if before.eq_ignore_ascii_case(&'w') => out.push_str(&format!("{gap}&#46;")),
            '-' if before.eq_ignore_ascii_case(&'h') => out.push_str(&format!("{gap}&#45;")),
            '<' | '>' | '"' | '\'' | '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '{' | '}'
            | '|' | '^' => out.push_str(&format!("&#{};", u32::from(c))),
            c => out.push(c),
        }
        before = if c == '\n' || c == '\t' { ' ' } else { c };
    }
    out
}

impl Escaped<Markdown> {
    /// A text within a line, as code: there forges look for no mention.
    #[must_use]
    pub fn code(text: &Redacted) -> Self {
        Self::passed(format!("<code>{}</code>", inline(text.as_str(), "")))
    }

    /// A block whose fence is longer than any run of its sign inside.
    #[must_use]
    pub fn fenced(text: &Redacted, language: &'static str) -> Self {
        let text = CiCommand::escape(&plain(text.as_str()));
        let (mut longest, mut run) = (0, 0);
        for c in text.chars() {
            run = if c == '`' { run + 1 } else { 0 };
            longest = longest.max(run);
        }
        let fence = "`".repeat(longest.max(2) + 1);
        let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        Self::passed(format!("{fence}{language}\n{text}{end}{fence}\n"))
    }

    /// A text inside of an HTML comment: letters, digits and few signs only.
    #[must_use]
    pub fn in_comment(text: &Redacted) -> Self {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._/=:,".contains(c);
        let mut out = String::new();
        for c in text.as_str().chars() {
            if fits(c) || (c == '-' && !out.ends_with('-')) {
                out.push(c);
            } else {
                out.push_str(&format!("%{:x}", u32::from(c)));
            }
        }
        Self::passed(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::secrecy::Veil;

    #[test]
    fn nothing_in_a_line_is_markup_a_mention_or_a_reference() {
        for text in [
            "@team",
            "Closes #1",
            "!12",
            "<img src=x>",
            "<!-- tranche:plan -->",
            "https://x.test/",
            "www.x.test",
            "/merge",
            "`a`",
            "**b**",
            "[a](b)",
            "GH-1",
            "a|b",
            "org/repo#1",
            "~label",
            "%1",
            "&epic",
            "$1",
            "a@b.test",
            ":tada:",
            "\\*",
        ] {
            let got = Markdown::escape(text);
            for bad in ["@", "<", ">", "://", "www.", "`", "*", "[", "|", "~", "%", "GH-", "$"] {
                assert!(!got.contains(bad), "{text}: {got}");
            }
            let marks = got.replace("&#", "").replace(GAP.trim_start_matches("&#"), "");
            assert!(!marks.contains(['#', '!']) && !got.starts_with('/'), "{text}: {got}");
            assert!(!got.contains(":t") && !got.contains(":/"), "{text}: {got}");
        }
    }

    #[test]
    fn a_fence_is_longer_than_any_inside() {
        let fenced = |text: &str| {
            Escaped::<Markdown>::fenced(&Veil::new().text(text), "diff").as_str().to_owned()
        };
        assert_eq!(fenced("a"), "```diff\na\n```\n");
        assert_eq!(fenced("```\n@team\n"), "````diff\n```\n@team\n````\n");
        assert!(fenced("x `````` y").starts_with("```````diff\n"));
    }

    #[test]
    fn a_comment_cannot_be_ended_from_inside() {
        let got = Escaped::<Markdown>::in_comment(&Veil::new().text("a--><b --!>c-d"));
        assert_eq!(got.as_str(), "a-%2d%3e%3cb%20-%2d%21%3ec-d");
    }
}
