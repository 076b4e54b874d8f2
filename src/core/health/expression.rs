//! One CEL expression over a live object. Owns how it is read, bounded and
//! evaluated; no other module may name the interpreter.
//!
//! The interpreter's usual parser takes memory without bound on short inputs
//! (cel-rust #306), so its newer one is used, with a limit on depth.

use super::budget::{Shape, shape};
use cel::objects::{Key, Map};
use cel::parser::PrattParser;
use cel::{Context, Env, ExecutionError, IdedExpr};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// Bytes of an expression.
pub const MOST_BYTES: usize = 2_048;
/// Parts of an expression, its macros spelled out.
pub const MOST_PARTS: u64 = 500;
/// How deep loops may stand in each other.
pub const MOST_LOOPS: u32 = 2;
/// Parts that may be evaluated over one object.
pub const MOST_WORK: u64 = 2_000_000;
/// How deep parentheses and operators may stand in each other.
const MOST_DEPTH: u16 = 32;

static LIBRARY: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A parsed expression.
#[derive(Clone)]
pub struct Expression {
    source: String,
    parsed: Arc<IdedExpr>,
    shape: Shape,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct ExpressionError {
    /// The cause.
    pub why: String,
    /// What would be right.
    pub expected: &'static str,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// If it is none, too large, or uses what is not there.
    pub fn parse(source: &str) -> Result<Self, ExpressionError> {
        let wrong = |why: String, expected| Err(ExpressionError { why, expected });
        if source.len() > MOST_BYTES {
            let why = format!("the expression has {} bytes", source.len());
            return wrong(why, "at most 2048 bytes");
        }
        let parser =
            PrattParser::new().max_recursion_depth(MOST_DEPTH).enable_optional_syntax(true);
        let parsed = match parser.parse(source) {
            Ok(parsed) => parsed,
            Err(errors) => {
                let first = errors.errors.first();
                let why = first.map_or_else(String::new, |first| {
                    let (line, column) = first.pos;
                    format!(": {} (line {line}, column {column} of it)", first.msg.trim())
                });
                let why = super::conditions::one_line(&why);
                return wrong(
                    format!("not a CEL expression{why}"),
                    "such as `status.ready == true`",
                );
            }
        };
        let shape = match shape(&parsed) {
            Ok(shape) => shape,
            Err(why) => return wrong(why, "the functions and macros of docs/health.md"),
        };
        if shape.nodes > MOST_PARTS {
            return wrong(format!("the expression has {} parts", shape.nodes), "at most 500 parts");
        }
        if shape.loops > MOST_LOOPS {
            let why = format!("{} macros over lists or maps stand in each other", shape.loops);
            return wrong(why, "at most 2 of them");
        }
        Ok(Self { source: source.to_owned(), parsed: Arc::new(parsed), shape })
    }

    /// Whether it holds of an object; else, in words, why that cannot be told.
    /// No value of the object is in them: it may be a Secret's.
    pub(super) fn holds(&self, live: &Value) -> Result<bool, String> {
        if self.shape.work(live) > MOST_WORK {
            return Err("is too much work for so large an object".to_owned());
        }
        let mut context = Context::with_env(Arc::clone(&LIBRARY));
        for (field, value) in live.as_object().into_iter().flatten() {
            context.add_variable_from_value(field.as_str(), converted(value));
        }
        match cel::Value::resolve(&self.parsed, &context) {
            Ok(cel::Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err("gives neither true nor false".to_owned()),
            Err(error) => Err(self.cause(&error)),
        }
    }

    fn cause(&self, error: &ExecutionError) -> String {
        let missing = match error {
            ExecutionError::NoSuchKey(name) | ExecutionError::UndeclaredReference(name) => name,
            _ => return "cannot be evaluated: its values do not fit together".to_owned(),
        };
        // A key may be computed from a value.
        if self.source.contains(missing.as_str()) {
            format!("cannot be evaluated: there is no `{missing}`")
        } else {
            "cannot be evaluated: a field is missing".to_owned()
        }
    }
}

/// A JSON value as the interpreter has it. Whole numbers are `int`, as they
/// are written in expressions.
fn converted(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(flag) => cel::Value::Bool(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => cel::Value::Int(number),
            (None, Some(number)) => cel::Value::UInt(number),
            (None, None) => cel::Value::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Array(all) => cel::Value::List(Arc::new(all.iter().map(converted).collect())),
        Value::Object(all) => {
            let key = |name: &String| Key::String(Arc::new(name.clone()));
            let map: HashMap<Key, cel::Value> =
                all.iter().map(|(name, value)| (key(name), converted(value))).collect();
            cel::Value::Map(Map { map: Arc::new(map) })
        }
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}
