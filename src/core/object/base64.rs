//! Base64, as Secrets keep their data. Owns where a text fails to be it, which
//! the API server's error says and the crate does not tell alike.

/// The first byte of a text that is no base64.
pub(super) fn misfit(text: &str) -> Option<usize> {
    let body = text.trim_end_matches('=');
    let odd = body
        .bytes()
        .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')));
    odd.or_else(|| {
        (!text.len().is_multiple_of(4) || text.len() - body.len() > 2).then_some(body.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_base64_is_told_by_its_first_byte() {
        for text in ["", "dg==", "dnc=", "dnd4", "+/+/"] {
            assert_eq!(misfit(text), None, "{text}");
        }
        assert_eq!(misfit("no base64!"), Some(2));
        assert_eq!(misfit("abc"), Some(3));
    }
}
