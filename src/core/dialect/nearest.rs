//! The valid name that somebody probably meant.

/// The candidate closest to `name`, if one is close. A candidate's last words
/// count as well, so that `batchs` finds `rolloutBatches`.
#[must_use]
pub fn nearest<'c>(name: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let wanted = name.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        let score = tails(candidate)
            .map(|tail| {
                let worth = if tail.len() == candidate.len() { 1.0 } else { 0.97 };
                worth * likeness(&wanted, &tail.to_lowercase())
            })
            .fold(0.0, f64::max);
        if score >= 0.8 && best.is_none_or(|(so_far, _)| score > so_far) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Jaro-Winkler is blind to a swap in a short name, so one slip of the finger
/// counts by itself.
fn likeness(a: &str, b: &str) -> f64 {
    let slip = a.len() > 2 && strsim::damerau_levenshtein(a, b) <= 1;
    strsim::jaro_winkler(a, b).max(if slip { 0.9 } else { 0.0 })
}

fn tails(name: &str) -> impl Iterator<Item = &str> {
    let starts = name.char_indices().filter(|(at, c)| *at == 0 || c.is_uppercase());
    starts.filter_map(|(at, _)| name.get(at..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_found_and_a_far_one_is_not() {
        let names = ["rolloutStrategy", "targetSize", "rolloutBatches", "batchPartition"];
        assert_eq!(nearest("batchs", &names), Some("rolloutBatches"));
        assert_eq!(nearest("batchpartition", &names), Some("batchPartition"));
        assert_eq!(nearest("partition", &names), Some("batchPartition"));
        assert_eq!(nearest("foo", &names), None);
        assert_eq!(nearest("wbe", &["api", "web"]), Some("web"));
    }
}
