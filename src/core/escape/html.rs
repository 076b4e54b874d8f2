//! A page of HTML, and the values of its attributes.

use super::{CiCommand, Escaped, Sink, plain};

/// A page of HTML.
#[derive(Clone, Copy, Debug)]
pub enum Html {}

impl Sink for Html {
    fn escape(text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in CiCommand::escape(&plain(text)).chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                c => out.push(c),
            }
        }
        out
    }
}

impl Escaped<Html> {
    /// The text with a style: one of our own classes.
    #[must_use]
    pub fn styled(self, class: &'static str) -> Self {
        Self::passed(format!("<span class=\"{class}\">{}</span>", self.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(
            Html::escape("<img src='x' onerror=\"y\">&\u{1b}"),
            "&lt;img src=&#39;x&#39; onerror=&quot;y&quot;&gt;&amp;\\u{1b}"
        );
    }
}
