//! Users who stay on one side while a share grows. Owns the buckets that users
//! are in, and how a set of buckets is said as a regular expression; it must
//! never know whose requests they are.
//!
//! Whoever lets a user in puts the user's bucket into a header, and everybody
//! between there and the client hands it on. A bucket below the share goes to
//! the new side: so the share is one of users, and as it grows nobody goes back.

use crate::core::digest::Digest;

/// The bucket of a user: the first four bytes of the SHA-256 of the name's
/// UTF-8, as one number with the first byte the highest, modulo 100; in two
/// digits.
#[must_use]
pub fn bucket(user: &str) -> String {
    let digest = Digest::of_bytes(user.as_bytes());
    let first = digest.short().get(..8).unwrap_or_default();
    format!("{:02}", u32::from_str_radix(first, 16).unwrap_or_default() % 100)
}

/// The buckets from `first` to the one before `end`, as an expression that a
/// whole value has to match; none if there are none.
#[must_use]
pub fn buckets(first: u8, end: u8) -> Option<String> {
    let (first, end) = (first.min(100), end.min(100));
    let (mut at, mut parts) = (first, Vec::new());
    while at < end {
        let (tens, ones) = (at / 10, at % 10);
        if ones == 0 && at + 10 <= end {
            let last = end / 10 - 1;
            parts.push(format!("{}[0-9]", digits(tens, last)));
            at = (last + 1) * 10;
        } else {
            let last = if end / 10 == tens { end % 10 - 1 } else { 9 };
            parts.push(format!("{tens}{}", digits(ones, last)));
            at = tens * 10 + last + 1;
        }
    }
    (!parts.is_empty()).then(|| parts.join("|"))
}

fn digits(first: u8, last: u8) -> String {
    if first == last { first.to_string() } else { format!("[{first}-{last}]") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buckets_of_known_users() {
        // printf %s alice | sha256sum | cut -c1-8
        let known = [("alice", "01"), ("bob", "12"), ("user-42@example.com", "29"), ("", "10")];
        for (user, expected) in known {
            assert_eq!(bucket(user), expected, "{user}");
        }
    }

    #[test]
    fn an_expression_has_its_buckets_and_no_others() {
        for first in 0..=100 {
            for end in first..=100 {
                let text = buckets(first, end);
                assert_eq!(text.is_none(), first == end);
                let Some(text) = text else { continue };
                let regex = regex::Regex::new(&format!("^(?:{text})$")).unwrap();
                for one in 0..100 {
                    let is_in = (first..end).contains(&one);
                    assert_eq!(regex.is_match(&format!("{one:02}")), is_in, "{one:02} {text}");
                }
                for other in ["", "5", "005", "100", "a5", "05 "] {
                    assert!(!regex.is_match(other), "{other} {text}");
                }
            }
        }
    }

    #[test]
    fn users_are_spread_over_all_buckets() {
        let mut counts = [0_u32; 100];
        for user in 0..20_000 {
            counts[bucket(&format!("user-{user}")).parse::<usize>().unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (130..280).contains(count)), "{counts:?}");
    }
}
