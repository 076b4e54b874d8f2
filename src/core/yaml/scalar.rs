//! What a plain scalar means: to Kubernetes (YAML 1.1 as its Go reader has
//! it) and to YAML 1.2. Pure functions on text.

use serde_json::{Number, Value};

/// What a scalar reads as.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reading {
    /// Null, a boolean or a number.
    Value(Value),
    /// The string itself.
    Text,
    /// A number that JSON cannot hold.
    NotFinite,
}

/// How Kubernetes reads a plain scalar. The spellings are those of its reader
/// (goyaml.v2, resolve.go): `yes` is true, `yEs` is a string.
pub(super) fn kubernetes(text: &str) -> Reading {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Reading::Value(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Reading::Value(Value::Bool(true))
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Reading::Value(Value::Bool(false))
        }
        _ if special_float(text) => Reading::NotFinite,
        _ => match text.as_bytes().first() {
            Some(b'0'..=b'9' | b'+' | b'-' | b'.') => number(&text.replace('_', ""), Octal::Legacy),
            _ => Reading::Text,
        },
    }
}

/// How YAML 1.2's core schema reads a plain scalar.
pub(super) fn core_schema(text: &str) -> Reading {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Reading::Value(Value::Null),
        "true" | "True" | "TRUE" => Reading::Value(Value::Bool(true)),
        "false" | "False" | "FALSE" => Reading::Value(Value::Bool(false)),
        _ if special_float(text) => Reading::NotFinite,
        _ => match text.as_bytes().first() {
            Some(b'0'..=b'9' | b'+' | b'-' | b'.') => number(text, Octal::Modern),
            _ => Reading::Text,
        },
    }
}

/// Whether YAML 1.1 proper reads it as a base-60 number, as `12:30:45`.
pub(super) fn sexagesimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let head = parts.next().unwrap_or_default();
    let mut tail = 0;
    for part in parts {
        tail += 1;
        let digits = part.split_once('.').map_or(part, |(whole, _)| whole);
        if digits.is_empty() || digits.len() > 2 || digits.parse::<u8>().map_or(true, |n| n > 59) {
            return false;
        }
    }
    tail > 0 && !head.is_empty() && head.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

#[derive(Clone, Copy, PartialEq)]
enum Octal {
    Legacy,
    Modern,
}

fn special_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

fn number(text: &str, octal: Octal) -> Reading {
    if let Some(integer) = integer(text, octal) {
        return Reading::Value(Value::Number(integer));
    }
    if !looks_like_float(text) {
        return Reading::Text;
    }
    match text.parse::<f64>().ok().and_then(Number::from_f64) {
        Some(float) => Reading::Value(Value::Number(float)),
        None => Reading::NotFinite,
    }
}

fn integer(text: &str, octal: Octal) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match (lower.get(..2), octal) {
        (Some("0x"), _) => (16, lower.get(2..)?),
        (Some("0o"), _) => (8, lower.get(2..)?),
        (Some("0b"), Octal::Legacy) => (2, lower.get(2..)?),
        // `08` is no octal number: the Go reader falls through to a float, 8.
        (Some(_), Octal::Legacy) if digits.starts_with('0') => {
            if lower.bytes().all(|b| matches!(b, b'0'..=b'7')) {
                (8, lower.get(1..)?)
            } else {
                (10, &*lower)
            }
        }
        _ => (10, &*lower),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        let value = i64::try_from(-i128::from(magnitude)).ok()?;
        return Some(Number::from(value));
    }
    Some(Number::from(magnitude))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn looks_like_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && all_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_ok = exponent.is_none_or(|e| {
        let digits = e.strip_prefix(['+', '-']).unwrap_or(e);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_ok && exponent_ok
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_reading_is_kubernetes_own() {
        let cases = [
            ("yes", json!(true)),
            ("y", json!(true)),
            ("OFF", json!(false)),
            ("~", json!(null)),
            ("0644", json!(420)),
            ("0o17", json!(15)),
            ("0b11", json!(3)),
            ("-0x1F", json!(-31)),
            ("1_000", json!(1000)),
            ("+12", json!(12)),
            ("08", json!(8)),
            ("1e3", json!(1000.0)),
            (".5", json!(0.5)),
            ("9223372036854775808", json!(9_223_372_036_854_775_808_u64)),
        ];
        for (text, value) in cases {
            assert_eq!(kubernetes(text), Reading::Value(value), "{text}");
        }
        for text in
            ["yEs", "12:30:45", "2026-11-21", "1.2.3", "0xZZ", "-", "+", ".", "1e", "_1", "e3"]
        {
            assert_eq!(kubernetes(text), Reading::Text, "{text}");
        }
        for text in [".inf", "-.Inf", ".nan", "1e400"] {
            assert_eq!(kubernetes(text), Reading::NotFinite, "{text}");
        }
    }

    #[test]
    fn yaml_1_2_reads_some_of_them_otherwise() {
        assert_eq!(core_schema("yes"), Reading::Text);
        assert_eq!(core_schema("0644"), Reading::Value(json!(644)));
        assert_eq!(core_schema("1_000"), Reading::Text);
        assert!(sexagesimal("12:30:45") && sexagesimal("1:30"));
        assert!(!sexagesimal("nginx:1") && !sexagesimal("12:75") && !sexagesimal("12"));
    }
}
