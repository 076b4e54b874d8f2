//! The part of the template language that templates may use. Owns what is left
//! out and why: fuel counts instructions, and `s ~ s` forty times over is a
//! terabyte in two hundred of them. What could make a value larger than its
//! parts without a filter's account is refused before anything runs.

/// What a template may not use, and on which of its lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Breach {
    /// The line, counted from 1.
    pub(super) line: u32,
    /// What, and what to write instead.
    pub(super) message: String,
}

/// What an open bracket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Call,
    Group,
    Index,
    Literal,
}

/// Checks a whole template.
pub(super) fn check(source: &str) -> Result<(), Breach> {
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        let tail = rest.get(at..).unwrap_or_default();
        let line = line_of(source, tail);
        rest = if tail.starts_with("{#") {
            tail.find("#}").map_or("", |end| tail.get(end + 2..).unwrap_or_default())
        } else if let Some(inner) = tail.strip_prefix("{{") {
            tag(inner, "}}", false, line)?
        } else if let Some(inner) = tail.strip_prefix("{%") {
            tag(inner, "%}", true, line)?
        } else {
            tail.get(1..).unwrap_or_default()
        };
    }
    Ok(())
}

/// The line of `source` on which its end `tail` begins.
fn line_of(source: &str, tail: &str) -> u32 {
    let before = source.get(..source.len() - tail.len()).unwrap_or_default();
    u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX - 1) + 1
}

/// One token; spaces are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Constant,
    Symbol(char),
}

/// Checks one tag and returns the text behind it.
fn tag<'a>(inner: &'a str, end: &str, statement: bool, line: u32) -> Result<&'a str, Breach> {
    let breach = |message: String| Breach { line, message };
    let mut rest = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    let mut state = Expression::default();
    let mut first = statement;
    loop {
        rest = rest.trim_start();
        let closed = rest.strip_prefix(['-', '+']).unwrap_or(rest).strip_prefix(end);
        if let Some(behind) = closed.filter(|_| state.open.is_empty()) {
            return state.finish().map(|()| behind).map_err(breach);
        }
        let Some((token, behind)) = next(rest) else { return Ok("") };
        rest = behind;
        if first {
            first = false;
            state.begin(token).map_err(breach)?;
        } else {
            state.take(token).map_err(breach)?;
        }
    }
}

fn next(text: &str) -> Option<(Token<'_>, &str)> {
    let head = text.chars().next()?;
    let end = if head == '"' || head == '\'' {
        let mut escaped = false;
        let mut quoted = text.char_indices().skip(1);
        let close = quoted.find(|(_, c)| {
            let found = *c == head && !escaped;
            escaped = *c == '\\' && !escaped;
            found
        });
        close.map_or(text.len(), |(at, _)| at + 1)
    } else if head.is_alphanumeric() || head == '_' {
        text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())
    } else {
        head.len_utf8()
    };
    let (token, behind) = text.split_at(end);
    let token = match head {
        '"' | '\'' => Token::Constant,
        c if c.is_ascii_digit() => Token::Constant,
        c if c.is_alphanumeric() || c == '_' => Token::Word(token),
        c => Token::Symbol(c),
    };
    Some((token, behind))
}

/// What was seen of a tag so far.
#[derive(Debug, Default)]
struct Expression {
    open: Vec<Bracket>,
    /// The last token ends a value, so that a bracket behind it is a call or
    /// an index.
    value: bool,
    /// The last token was a dot, so that a word behind it is a member.
    member: bool,
    /// Commas stand between the names of `for a, b in`.
    names: bool,
    /// A `set` that had no `=` yet.
    unset: bool,
}

impl Expression {
    fn begin(&mut self, token: Token<'_>) -> Result<(), String> {
        match token {
            Token::Word("if" | "elif" | "else" | "endif" | "endfor") => Ok(()),
            Token::Word("for") => {
                self.names = true;
                Ok(())
            }
            Token::Word("set") => {
                self.unset = true;
                Ok(())
            }
            Token::Word(other) => Err(format!(
                "the statement `{other}` is not part of the template language, which has if, for \
                 and set"
            )),
            _ => Err("a statement begins with its name".to_owned()),
        }
    }

    fn take(&mut self, token: Token<'_>) -> Result<(), String> {
        let literal = self.open.last() == Some(&Bracket::Literal);
        let member = std::mem::take(&mut self.member);
        match token {
            Token::Constant => self.value = true,
            Token::Word("true" | "false" | "none" | "True" | "False" | "None") => self.value = true,
            Token::Word(_) if literal => {
                return Err("list and map literals hold constants only".to_owned());
            }
            Token::Word("recursive") if !member => {
                return Err("`recursive` is not part of the template language".to_owned());
            }
            Token::Word("in") if !member => {
                self.names = false;
                self.value = false;
            }
            Token::Word("if" | "else" | "and" | "or" | "not" | "is") if !member => {
                self.value = false;
            }
            Token::Word(_) => self.value = true,
            Token::Symbol(symbol) => self.symbol(symbol, literal)?,
        }
        Ok(())
    }

    fn symbol(&mut self, symbol: char, literal: bool) -> Result<(), String> {
        let instead = |text: &str| {
            Err(format!("`{symbol}` is not part of the template language: write `{text}`"))
        };
        match symbol {
            '~' => return instead("a | cat(b)"),
            '+' => return instead("a | cat(b)` or `a | add(1)"),
            '*' => return instead("range` or a parameter instead of `a * b"),
            '(' | '[' | '{' => {
                self.open.push(match (symbol, self.value) {
                    ('(', true) if !literal => Bracket::Call,
                    ('(', false) if !literal => Bracket::Group,
                    ('[', true) if !literal => Bracket::Index,
                    _ => Bracket::Literal,
                });
                self.value = false;
                return Ok(());
            }
            ')' | ']' | '}' => {
                self.open.pop();
                self.value = true;
                return Ok(());
            }
            ',' => {
                let fits = matches!(self.open.last(), Some(Bracket::Call | Bracket::Literal));
                if !fits && !self.names {
                    return Err("tuples are not part of the template language".to_owned());
                }
            }
            '=' => self.unset = false,
            '.' => self.member = true,
            _ => {}
        }
        self.value = false;
        Ok(())
    }

    fn finish(&self) -> Result<(), String> {
        if self.unset {
            return Err("`set` needs `=`: a block cannot be captured".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_language_has_passes() {
        for text in [
            "a: {{ x.y | default('~ + *') | to_json }}\n{%- if a in ['b', 'c'] and b.in is none %}",
            "{% for k, v in m | items %}{{ v[0] }}{{- k | cat('-', v, 1) -}}{% endfor +%}",
            "{# {{ a ~ b }} #}{% set x = (a or b) %}{{ {'a': [1, -2]}[x] }} { plain }",
            "{{ l | selectattr('p', 'eq', true) | list[1:2] }} {{ 'a\\'~' }}",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_could_grow_is_refused_with_its_line() {
        for text in [
            "{{ a ~ a }}",
            "{{ a + a }}",
            "{{ 'a' * 9 }}",
            "{% set a = [a, a] %}",
            "{% set a = {'a': a} %}",
            "{% set a = (a, a) %}",
            "{% set a = a, a %}",
            "{% set a %}{{ a }}{{ a }}{% endset %}",
            "{% macro m() %}{% endmacro %}",
            "{% include 'x' %}",
            "{% for a in b recursive %}{% endfor %}",
            "{% filter upper %}{% endfilter %}",
            "{{ x[[a, a]] }}",
            "{{ f(a)(b, [c]) }}",
        ] {
            let breach = check(&format!("\n\n{text}")).unwrap_err();
            assert_eq!(breach.line, 3, "{text}");
        }
    }
}
