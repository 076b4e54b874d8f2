//! What is known to be secret comes through in no text, and what is escaped
//! commands nothing, whatever stands around.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;
use tranche::core::escape::{Escaped, Html, Markdown, Terminal};
use tranche::core::secrecy::Veil;

/// A value that is long enough to be told from words.
fn value() -> impl Strategy<Value = String> {
    ("[A-Za-z]{4,9}", "[ -~é\\n\"\\\\]{4,300}", "[0-9]{4}").prop_map(|(a, b, c)| a + &b + &c)
}

fn spelled(value: &str, how: usize) -> String {
    match how {
        0 => value.to_owned(),
        1 => STANDARD.encode(value),
        2 => URL_SAFE.encode(value),
        3 => serde_json::Value::String(value.to_owned()).to_string(),
        _ => value.bytes().map(|byte| format!("{byte:02x}")).collect(),
    }
}

proptest! {
    #[test]
    fn a_known_value_never_comes_through(
        values in proptest::collection::vec(value(), 1..6),
        before in "[ -~\\n]{0,40}",
        after in "[ -~\\n]{0,40}",
        how in 0_usize..5,
    ) {
        let veil = Veil::new();
        for value in &values {
            veil.learn(value);
        }
        for value in &values {
            let text = spelled(value, how);
            let got = veil.text(&format!("{before}{text}{after}"));
            prop_assert!(!got.as_str().contains(&text), "{text:?} in {got:?}");
            let twice = veil.text(got.as_str());
            prop_assert_eq!(&twice, &veil.text(twice.as_str()));
        }
    }

    #[test]
    fn nothing_that_is_escaped_commands(text in "\\PC{0,20}[\\x00-\\x20`#@:/<>&\\[\\]vsotec!\u{202e}\u{9b}]{0,60}") {
        let text = Veil::new().text(&text);
        let controls = |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}';
        let terminal = Escaped::<Terminal>::of(&text);
        let fenced = Escaped::<Markdown>::fenced(&text, "diff");
        let page = Escaped::<Html>::of(&text);
        for shown in [terminal.as_str(), fenced.as_str(), page.as_str()] {
            prop_assert!(!shown.contains(controls), "{shown:?}");
            prop_assert!(!shown.contains("##vso["), "{shown:?}");
            prop_assert!(shown.lines().all(|line| !line.trim_start().starts_with("::")), "{shown:?}");
        }
        prop_assert!(!page.as_str().contains(['<', '>', '"', '\'']));
        let fence: String = fenced.as_str().chars().take_while(|c| *c == '`').collect();
        let lines = fenced.as_str().lines().filter(|line| line.trim_start().starts_with(&fence));
        prop_assert_eq!(lines.count(), 2, "{:?}", fenced);
        let inline = Escaped::<Markdown>::of(&text);
        prop_assert!(!inline.as_str().contains(['<', '>', '@', '`', '\n', '[', '*']), "{inline:?}");
    }
}
