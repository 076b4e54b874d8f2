//! What happened, line by line. Owns the text; it must never cost anything
//! when nobody listens.

use std::cell::RefCell;

/// The lines of one seed; none unless it is replayed.
#[derive(Debug)]
pub struct Trace {
    on: bool,
    lines: RefCell<Vec<String>>,
}

impl Trace {
    pub fn new(on: bool) -> Self {
        Self { on, lines: RefCell::default() }
    }

    /// Writes one line, made only if somebody listens.
    pub fn say(&self, now: u64, actor: &str, text: impl FnOnce() -> String) {
        if self.on {
            let (seconds, millis) = (now / 1000, now % 1000);
            let line = format!("{seconds:>6}.{millis:03} {actor:<10} {}", text());
            self.lines.borrow_mut().push(line);
        }
    }

    pub fn take(&self) -> Vec<String> {
        self.lines.take()
    }
}
