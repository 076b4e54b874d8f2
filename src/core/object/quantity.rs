//! Quantities in the one spelling that the real server keeps of each. Owns
//! that spelling; what is no quantity stays as it is, for validation to refuse.

use serde_json::Value;

const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// The canonical spelling, such as `100m` for `0.1` and `1Gi` for `1024Mi`.
pub(super) fn canonical(value: &Value) -> Value {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            // Digits enough for every number that people write.
            number.as_i64().map_or_else(|| number.to_string(), |whole| whole.to_string())
        }
        other => return other.clone(),
    };
    let text = text.strip_suffix(".0").unwrap_or(&text);
    spell(text).map_or_else(|| value.clone(), Value::String)
}

/// Whether a value reads as a quantity.
pub(super) fn is_quantity(value: &Value) -> bool {
    matches!(canonical(value), Value::String(text) if spell(&text).is_some())
}

/// A quantity in billionths; none if it is no quantity, or beyond all bounds.
#[must_use]
pub fn billionths(value: &Value) -> Option<i128> {
    let Value::String(text) = canonical(value) else { return None };
    let (digits, exponent, unit) = parts(&text)?;
    let power = 10_i128.checked_pow(u32::try_from(exponent + 9).ok()?)?;
    digits.checked_mul(power)?.checked_mul(unit.multiplier())
}

#[derive(Clone, Copy)]
enum Unit {
    Decimal,
    Exponent,
    Binary(u32),
}

impl Unit {
    fn multiplier(self) -> i128 {
        match self {
            Self::Binary(power) => 1024_i128.pow(power),
            _ => 1,
        }
    }
}

/// Digits, a power of ten, and the unit.
fn parts(text: &str) -> Option<(i128, i32, Unit)> {
    let body = text.trim_start_matches(['+', '-']);
    let end = body.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(body.len());
    let (number, suffix) = body.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let digits = if text.starts_with('-') { -digits } else { digits };
    let point = -i32::try_from(fraction.len()).ok()?;
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((digits, point + power, Unit::Decimal));
    }
    if let Some(index) = BINARY.iter().position(|name| *name == suffix) {
        return Some((digits, point, Unit::Binary(u32::try_from(index).ok()? + 1)));
    }
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((digits, point + power, Unit::Exponent))
}

fn spell(text: &str) -> Option<String> {
    let (digits, exponent, unit) = parts(text)?;
    match unit {
        Unit::Binary(_) => {
            let scaled = digits.checked_mul(unit.multiplier())?;
            let divisor = 10_i128.checked_pow(u32::try_from(-exponent).ok()?)?;
            if scaled.abs() < 1024 * divisor {
                return decimal(scaled, exponent, false);
            }
            // Parts of a byte are rounded up.
            let mut whole = scaled.div_euclid(divisor) + i128::from(scaled % divisor != 0);
            let mut suffix = "";
            for name in BINARY {
                if whole % 1024 != 0 {
                    break;
                }
                (whole, suffix) = (whole / 1024, name);
            }
            Some(format!("{whole}{suffix}"))
        }
        Unit::Decimal => decimal(digits, exponent, false),
        Unit::Exponent => decimal(digits, exponent, true),
    }
}

/// As few digits as can be, with a power of ten that is a multiple of three.
fn decimal(mut digits: i128, mut exponent: i32, as_exponent: bool) -> Option<String> {
    if digits == 0 {
        return Some("0".to_owned());
    }
    while digits % 10 == 0 {
        (digits, exponent) = (digits / 10, exponent + 1);
    }
    while exponent.rem_euclid(3) != 0 {
        (digits, exponent) = (digits.checked_mul(10)?, exponent - 1);
    }
    if as_exponent {
        let suffix = if exponent == 0 { String::new() } else { format!("e{exponent}") };
        return Some(format!("{digits}{suffix}"));
    }
    while exponent > 18 {
        (digits, exponent) = (digits.checked_mul(1000)?, exponent - 3);
    }
    while exponent < -9 {
        (digits, exponent) = (digits / 1000 + i128::from(digits % 1000 != 0), exponent + 3);
    }
    let suffix = DECIMAL.iter().find(|(_, power)| *power == exponent)?.0;
    Some(format!("{digits}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_quantity_has_one_spelling() {
        for (said, kept) in [
            (json!("1000m"), "1"),
            (json!("0.5"), "500m"),
            (json!(0.1), "100m"),
            (json!(2), "2"),
            (json!("1024Mi"), "1Gi"),
            (json!("1.5Gi"), "1536Mi"),
            (json!("512Ki"), "512Ki"),
            (json!("1000M"), "1G"),
            (json!("2e9"), "2e9"),
            (json!(2e9), "2G"),
            (json!("128974848"), "128974848"),
            (json!("0"), "0"),
            (json!("-1"), "-1"),
            (json!("100Mi"), "100Mi"),
            (json!("1500m"), "1500m"),
        ] {
            assert_eq!(canonical(&said), json!(kept), "{said}");
        }
        assert_eq!(canonical(&json!("lots")), json!("lots"));
        assert!(!is_quantity(&json!("lots")));
        assert_eq!(billionths(&json!("1Ki")), Some(1024 * 1_000_000_000));
    }
}
