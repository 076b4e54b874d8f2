//! Durations as people write them: `10m`, `1h30m`, `90s`, or seconds. Owns that
//! notation, in plans, on the command line and in the environment.

use crate::core::yaml::Node;

/// One week.
pub(super) const LONGEST: u32 = 7 * 24 * 3600;

/// The duration in seconds, from one second to seven days; none for anything
/// else. Each unit at most once, the larger first.
#[must_use]
pub fn seconds(text: &str) -> Option<u32> {
    let total =
        if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok()? } else { units(text)? };
    (1..=LONGEST).contains(&total).then_some(total)
}

/// The same of a value in a plan, which may be a plain number of seconds, and
/// may be none at all.
pub(super) fn of(node: &Node) -> Option<u32> {
    match node.text() {
        Some("0" | "0s" | "0m" | "0h") => Some(0),
        Some(text) => seconds(text),
        None => u32::try_from(node.count()?).ok().filter(|seconds| *seconds <= LONGEST),
    }
}

fn units(text: &str) -> Option<u32> {
    let mut rest = text;
    let mut total = 0_u32;
    for (unit, worth) in [('h', 3600_u32), ('m', 60), ('s', 1)] {
        let Some((digits, after)) = rest.split_once(unit) else { continue };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        total = total.checked_add(digits.parse::<u32>().ok()?.checked_mul(worth)?)?;
        rest = after;
    }
    rest.is_empty().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_or_refused() {
        let good = [("10m", 600), ("1h30m", 5_400), ("45s", 45), ("90", 90), ("168h", LONGEST)];
        for (text, expected) in good {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        let bad = [
            "",
            "0",
            "0s",
            "1h1h",
            "-5m",
            "5m1h",
            "1.5h",
            "169h",
            "100000000000000000000",
            "m",
            "1d",
            "500ms",
        ];
        for text in bad {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
