//! How much work an expression may be, told before it is evaluated. Owns the
//! bounds: the evaluator has none of its own.

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, operators};
use serde_json::Value;

/// Functions of the standard library, without those of regular expressions
/// and of time, which are left out.
const FUNCTIONS: &[&str] = &[
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "hasValue",
    "int",
    "none",
    "of",
    "ofNonZeroValue",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
    "value",
];

/// What an expression is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// Its nodes, macros spelled out.
    pub nodes: u64,
    /// How deep loops over lists and maps stand in each other.
    pub loops: u32,
    /// The longest list or map that is written out in it.
    written: u64,
    /// Additions, which may join lists and texts.
    sums: u64,
}

/// What an expression is made of, or what in it is no part of the language.
pub(super) fn shape(expression: &IdedExpr) -> Result<Shape, String> {
    let mut shape = Shape::default();
    shape.loops = walk(expression, &mut shape)?;
    Ok(shape)
}

/// Counts an expression and gives the depth of its loops.
fn walk(expression: &IdedExpr, shape: &mut Shape) -> Result<u32, String> {
    shape.nodes += 1;
    let mut deepest = 0;
    let mut inside = |expression: &IdedExpr, shape: &mut Shape| -> Result<(), String> {
        deepest = walk(expression, shape)?.max(deepest);
        Ok(())
    };
    match &expression.expr {
        Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Select(select) => inside(&select.operand, shape)?,
        Expr::Call(call) => {
            known(&call.func_name)?;
            shape.sums += u64::from(call.func_name == operators::ADD);
            for part in call.target.iter().map(|target| &**target).chain(&call.args) {
                inside(part, shape)?;
            }
        }
        Expr::List(list) => {
            shape.written = shape.written.max(list.elements.len() as u64);
            for element in &list.elements {
                inside(element, shape)?;
            }
        }
        Expr::Map(map) => {
            shape.written = shape.written.max(map.entries.len() as u64);
            for entry in &map.entries {
                let EntryExpr::MapEntry(entry) = &entry.expr else {
                    return Err("a map has keys and values".to_owned());
                };
                inside(&entry.key, shape)?;
                inside(&entry.value, shape)?;
            }
        }
        Expr::Comprehension(all) => {
            for part in [&all.iter_range, &all.accu_init] {
                inside(part, shape)?;
            }
            for part in [&all.loop_cond, &all.loop_step, &all.result] {
                deepest = (walk(part, shape)? + 1).max(deepest);
            }
        }
        Expr::Struct(_) | Expr::Unspecified => return Err("messages are not built here".to_owned()),
    }
    Ok(deepest)
}

fn known(function: &str) -> Result<(), String> {
    // The spelling of operators.
    let operator = function.starts_with(|c: char| !c.is_alphanumeric());
    if operator || FUNCTIONS.contains(&function) {
        return Ok(());
    }
    Err(format!("`{function}` is no function here"))
}

impl Shape {
    /// At most so many nodes are evaluated over an object; each counts as much
    /// as the whole object where texts and lists are joined.
    pub(super) fn work(&self, live: &Value) -> u64 {
        let size = size(live);
        let reach = size.longest.max(self.written).max(1).saturating_mul(self.sums + 1);
        let steps = self.nodes.saturating_mul(reach.saturating_pow(self.loops));
        if self.sums == 0 { steps } else { steps.saturating_mul(1 + size.total / 64) }
    }
}

/// How large an object is.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// The longest list, map or text's share of it.
    longest: u64,
    /// Values and bytes of text.
    total: u64,
}

fn size(value: &Value) -> Size {
    let join = |own: u64, all: &mut dyn Iterator<Item = &Value>| {
        all.map(size).fold(Size { longest: own, total: own }, |sum, one| Size {
            longest: sum.longest.max(one.longest),
            total: sum.total.saturating_add(one.total),
        })
    };
    match value {
        Value::Array(all) => join(all.len() as u64, &mut all.iter()),
        Value::Object(all) => join(all.len() as u64, &mut all.values()),
        Value::String(text) => Size { longest: 0, total: 1 + text.len() as u64 },
        _ => Size { longest: 0, total: 1 },
    }
}
