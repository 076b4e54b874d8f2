//! What git and a server said, made fit for people. Owns escaping, masking
//! and cutting; nothing may ever be decided from its result.

/// The most that is kept of a text.
const LIMIT: usize = 2048;

/// Texts that must not be shown wherever they turn up: a server may repeat
/// what it was sent.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn new(texts: impl Iterator<Item = String>) -> Self {
        let mut texts: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
        // The longer first: one may be a part of another.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self(texts)
    }

    fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }
}

/// Turns raw output into one text without control characters or credentials,
/// cut to 2 KiB.
pub(super) fn for_people(raw: &[u8], secrets: &Secrets) -> String {
    let masked = mask(&secrets.hide(&String::from_utf8_lossy(raw)));
    let mut out = String::new();
    // ssh ends its lines as terminals want them.
    for character in masked.replace("\r\n", "\n").trim().chars() {
        if out.len() >= LIMIT {
            out.push_str(" ...");
            break;
        }
        match character {
            '\n' => out.push('\n'),
            '\t' => out.push(' '),
            c if c.is_control() || is_direction(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Characters that reorder what a terminal or a web page shows.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Replaces the user part of every URL in a text.
pub(super) fn mask(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| c == '/' || c.is_whitespace() || matches!(c, '\'' | '"'))
            .unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                out.push_str("***@");
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_control_characters_do_not_come_through() {
        let raw = b"fatal: 'https://user:p%40ss@host.test/r.git' \x1b[31mno\r\nsecond\0";
        let said = for_people(raw, &Secrets::default());
        assert_eq!(said, "fatal: 'https://***@host.test/r.git' \\u{1b}[31mno\nsecond\\u{0}");
        assert_eq!(mask("see https://host.test/a@b"), "see https://host.test/a@b");
    }

    #[test]
    fn what_a_server_repeats_is_hidden() {
        let secrets = Secrets::new(["abc".to_owned(), "abcdef".to_owned()].into_iter());
        assert_eq!(for_people(b"you sent abcdef, abc", &secrets), "you sent ***, ***");
    }

    #[test]
    fn long_texts_are_cut() {
        let said = for_people(&vec![b'x'; 10_000], &Secrets::default());
        assert_eq!(said.len(), LIMIT + 4);
    }
}
