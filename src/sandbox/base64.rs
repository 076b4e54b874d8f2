//! Base64, as Secrets keep their data. Owns the alphabet.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as text.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4_u32 {
            let index = (bits >> (18 - 6 * place)) & 63;
            let used = place as usize <= chunk.len();
            let letter = ALPHABET.get(index as usize).copied().map_or('=', char::from);
            out.push(if used { letter } else { '=' });
        }
    }
    out
}

/// The first byte of a text that is no base64.
pub(super) fn misfit(text: &str) -> Option<usize> {
    let body = text.trim_end_matches('=');
    let odd = body.bytes().position(|byte| !ALPHABET.contains(&byte));
    odd.or_else(|| {
        (!text.len().is_multiple_of(4) || text.len() - body.len() > 2).then_some(body.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_everybody_writes_them() {
        for (plain, text) in [("", ""), ("v", "dg=="), ("vw", "dnc="), ("vwx", "dnd4")] {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(misfit(text), None);
        }
        assert_eq!(misfit("no base64!"), Some(2));
        assert_eq!(misfit("abc"), Some(3));
    }
}
