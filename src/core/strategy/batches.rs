//! Batch arithmetic: from written batches to cumulative goals.
//!
//! As KubeVela computes it (percentages round up on the total, the last batch
//! always lands on the total), with two corrections: percentages that fill up
//! a small total early are clamped with a warning where the original fails,
//! and a last batch without `replicas` takes the rest.

use crate::core::model::{Amount, Batches};

/// The pods that have moved once each batch is done; the last entry is the
/// total.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goals {
    /// Cumulative pods, one entry a batch, never falling.
    pub cumulative: Vec<u32>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Batches that do not add up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// All counts, and the batches before the last leave nothing for it.
    #[error(
        "the batches before the last take {sum} pods, but only {total} are to move: the last \
         batch would be empty"
    )]
    NothingLeft {
        /// Pods before the last batch.
        sum: u64,
        /// Pods in all.
        total: u32,
    },
    /// The counts add up to something else than the total.
    #[error("the batches add up to {sum} pods, but {total} are to move")]
    WrongSum {
        /// What they add up to.
        sum: u64,
        /// What they must add up to.
        total: u32,
    },
    /// No batch at all.
    #[error("there are no batches")]
    Empty,
}

/// Computes the cumulative goals of moving `total` pods.
///
/// # Errors
/// Counts that do not add up are an error: silently larger or smaller batches
/// than written would be a lie.
pub fn goals(batches: &Batches, total: u32) -> Result<Goals, BatchError> {
    match batches {
        Batches::Even(count) => even(*count, total),
        Batches::Listed(list) => {
            let amounts: Vec<Option<Amount>> = list.iter().map(|b| b.replicas).collect();
            listed(&amounts, total)
        }
    }
}

/// As even as pods allow; what does not divide goes to the later batches.
fn even(count: u32, total: u32) -> Result<Goals, BatchError> {
    if count == 0 {
        return Err(BatchError::Empty);
    }
    let (base, rest) = (total / count, total % count);
    let mut sum = 0;
    let cumulative = (0..count)
        .map(|i| {
            sum += base + u32::from(i >= count - rest);
            sum
        })
        .collect();
    let warnings = if total < count {
        vec![format!("{total} pods in {count} batches: some batches are empty")]
    } else {
        Vec::new()
    };
    Ok(Goals { cumulative, warnings })
}

fn listed(amounts: &[Option<Amount>], total: u32) -> Result<Goals, BatchError> {
    let Some((last, before)) = amounts.split_last() else {
        return Err(BatchError::Empty);
    };
    let percent = |amount: &Option<Amount>| match amount {
        Some(Amount::Percent(percent)) => Some(u64::from(*percent)),
        _ => None,
    };
    let named: Option<u64> = amounts.iter().map(percent).sum();
    let any_percent = before.iter().flatten().any(|a| matches!(a, Amount::Percent(_)));
    let mut sum = 0_u64;
    let mut cumulative = Vec::with_capacity(amounts.len());
    let mut warnings = Vec::new();
    for amount in before {
        sum += u64::from(amount.map_or(0, |a| a.of(total)));
        cumulative.push(u32::try_from(sum).unwrap_or(u32::MAX).min(total));
    }
    let full = sum >= u64::from(total) && !(total == 0 && sum == 0);
    if full && !any_percent {
        return Err(BatchError::NothingLeft { sum, total });
    }
    if let Some(Amount::Count(count)) = last {
        let whole = sum + u64::from(*count);
        if whole < u64::from(total) || (whole > u64::from(total) && !any_percent) {
            return Err(BatchError::WrongSum { sum: whole, total });
        }
    }
    let cut =
        matches!(last, Some(Amount::Count(count)) if sum + u64::from(*count) > u64::from(total));
    if full || cut {
        let filled = cumulative.iter().filter(|c| **c < total).count() + 1;
        let why = match named {
            Some(named) if named > 100 => format!("the batches name {named}%"),
            _ => format!("{total} pods are few for these batches: percentages round up"),
        };
        let of = amounts.len();
        warnings.push(format!("{why}, so all pods have moved after batch {filled} of {of}"));
    } else if let Some(named) = named.filter(|named| *named < 100) {
        let left = total.saturating_sub(cumulative.last().copied().unwrap_or(0));
        warnings.push(format!(
            "the batches name {named}%: the last one takes all that is left, {left} of {total} pods"
        ));
    }
    cumulative.push(total);
    Ok(Goals { cumulative, warnings })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Batch;
    use serde_json::Value;

    /// Every vector of the original's arithmetic, and ours where we differ.
    #[test]
    fn vectors() {
        let text = include_str!("../../../testdata/batches.json");
        let vectors: Vec<Value> = serde_json::from_str(text).unwrap();
        assert!(vectors.len() >= 40, "vectors are missing");
        for vector in vectors {
            let batches = batches_of(&vector);
            let total = u32::try_from(vector["total"].as_u64().unwrap()).unwrap();
            let got = goals(&batches, total);
            match vector.get("goals") {
                Some(expected) => {
                    let got = got.unwrap_or_else(|e| panic!("{vector}: {e}"));
                    assert_eq!(serde_json::json!(got.cumulative), *expected, "{vector}");
                    let warns = vector.get("warns").and_then(Value::as_bool).unwrap_or(false);
                    assert_eq!(!got.warnings.is_empty(), warns, "{vector}: {:?}", got.warnings);
                }
                None => {
                    let error = got.expect_err(&vector.to_string()).to_string();
                    let wanted = vector["error"].as_str().unwrap();
                    assert!(error.contains(wanted), "{vector}: {error}");
                }
            }
        }
    }

    fn batches_of(vector: &Value) -> Batches {
        if let Some(count) = vector.get("even") {
            return Batches::Even(u32::try_from(count.as_u64().unwrap()).unwrap());
        }
        let list = vector["batches"].as_array().unwrap();
        let batch = |value: &Value| Batch {
            replicas: match value {
                Value::Null => None,
                Value::String(text) => {
                    Some(Amount::Percent(text.trim_end_matches('%').parse().unwrap()))
                }
                other => Some(Amount::Count(u32::try_from(other.as_u64().unwrap()).unwrap())),
            },
            max_unavailable: Amount::Count(0),
        };
        Batches::Listed(list.iter().map(batch).collect())
    }

    proptest::proptest! {
        /// Goals never fall, never pass the total, and end on it.
        #[test]
        fn goals_climb_to_the_total(
            percents in proptest::collection::vec(0_u32..=100, 1..12),
            total in 0_u32..5_000,
        ) {
            let list = percents
                .into_iter()
                .map(|p| Batch {
                    replicas: Some(Amount::Percent(p)),
                    max_unavailable: Amount::Count(0),
                })
                .collect();
            let got = goals(&Batches::Listed(list), total).unwrap();
            proptest::prop_assert!(got.cumulative.is_sorted());
            proptest::prop_assert_eq!(*got.cumulative.last().unwrap(), total);
        }
    }
}
