//! The template engine as templates see it. Owns its settings, its printing
//! and what is said of its errors: minijinja's own text may quote values.

use super::meter::{Refusal, refuse};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, functions, tests,
};
use std::error::Error as _;

/// An environment without templates, filters or limits.
pub(super) fn base() -> Environment<'static> {
    let mut env = Environment::empty();
    // By default `.yaml` templates are escaped as JSON, by their name.
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_formatter(print);
    // Only so do errors know what was undefined; the rest is never shown.
    env.set_debug(true);
    env.set_recursion_limit(64);
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        env.set_syntax(syntax);
    }
    env.add_function("range", functions::range);
    add_tests(&mut env);
    env
}

fn add_tests(env: &mut Environment<'static>) {
    env.add_test("defined", tests::is_defined);
    env.add_test("undefined", tests::is_undefined);
    env.add_test("none", tests::is_none);
    env.add_test("true", tests::is_true);
    env.add_test("false", tests::is_false);
    env.add_test("string", tests::is_string);
    env.add_test("number", tests::is_number);
    env.add_test("integer", tests::is_integer);
    env.add_test("boolean", tests::is_boolean);
    env.add_test("sequence", tests::is_sequence);
    env.add_test("mapping", tests::is_mapping);
    env.add_test("odd", tests::is_odd);
    env.add_test("even", tests::is_even);
    env.add_test("startingwith", tests::is_startingwith);
    env.add_test("endingwith", tests::is_endingwith);
    for (name, symbol) in [("eq", "=="), ("equalto", "==")] {
        env.add_test(name, tests::is_eq);
        env.add_test(symbol, tests::is_eq);
    }
    env.add_test("ne", tests::is_ne);
    env.add_test("lt", tests::is_lt);
    env.add_test("le", tests::is_le);
    env.add_test("gt", tests::is_gt);
    env.add_test("ge", tests::is_ge);
    env.add_test("in", tests::is_in);
}

/// Prints what is one scalar in YAML and refuses the rest; minijinja itself
/// would print `True`, `None` and Python's lists.
fn print(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => {
            let text = scalar(value)?;
            out.write_str(&text).map_err(Error::from)
        }
        ValueKind::Undefined => Err(undefined(value)),
        ValueKind::None => Err(refuse(
            "prints none: test it with `if`, or give it a value with `default` or `required`",
        )),
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => {
            Err(refuse("prints a list or a map: add `| to_json` or `| to_yaml`"))
        }
        _ => Err(refuse("prints what is no text, number or boolean")),
    }
}

/// A scalar as text, booleans and numbers as YAML writes them.
pub(super) fn scalar(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Bool => Ok(if value.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::Number => Ok(value.to_string()),
        ValueKind::Undefined => Err(undefined(value)),
        _ => Err(refuse("needs text, a number or a boolean")),
    }
}

/// The error of an undefined value; minijinja tells what was undefined only in
/// errors that it makes itself.
pub(super) fn undefined(value: &Value) -> Error {
    match value.get_attr("any") {
        Err(error) => error,
        Ok(_) => Error::from(ErrorKind::UndefinedError),
    }
}

/// What an error says without any value in it.
pub(super) fn describe(error: &Error) -> String {
    if let Some(refusal) = error.source().and_then(|inner| inner.downcast_ref::<Refusal>()) {
        return refusal.to_string();
    }
    // These four are made from the template's text alone.
    let from_template = matches!(
        error.kind(),
        ErrorKind::UndefinedError
            | ErrorKind::SyntaxError
            | ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
    );
    match error.detail() {
        Some(detail) if from_template => {
            let detail = detail.split(", from line").next().unwrap_or(detail);
            format!("{}: {}", error.kind(), detail.split(" (from line").next().unwrap_or(detail))
        }
        _ if error.kind() == ErrorKind::OutOfFuel => {
            "the template runs for longer than limits allow (fuel)".to_owned()
        }
        _ => error.kind().to_string(),
    }
}
