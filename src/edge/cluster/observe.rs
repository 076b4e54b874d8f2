//! What every answer tells besides its body: the server's `Date` and its
//! warnings. Owns that memory; it must never change an answer.

#![expect(clippy::disallowed_methods, reason = "measures how long ago a server's Date was heard")]

use http::{HeaderMap, Response, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tower::util::MapResponseLayer;

/// Kept warnings; a server that sends more repeats itself.
const MOST_WARNINGS: usize = 200;

/// Listens to a client's answers; clones share what they heard.
#[derive(Clone, Debug, Default)]
pub struct Observer(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    newest: Option<Sighting>,
    last: Option<Sighting>,
    warnings: Vec<String>,
}

/// A `Date` and when, by the local clocks, it came.
#[derive(Clone, Copy, Debug)]
struct Sighting {
    date: Timestamp,
    at: Instant,
    wall: SystemTime,
}

impl Observer {
    /// A layer for the client's service stack that listens to all answers.
    pub fn layer<B>(
        &self,
    ) -> MapResponseLayer<impl FnMut(Response<B>) -> Response<B> + Clone + Send + 'static + use<B>>
    {
        let observer = self.clone();
        MapResponseLayer::new(move |response: Response<B>| {
            observer.hear(response.headers());
            response
        })
    }

    /// The warnings since the last call, each once, and forgets them.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.heard().warnings)
    }

    /// The server's time if its last `Date` came within `fresh`, by the
    /// monotonic clock and by the wall clock both: the former stands still
    /// while a machine is suspended.
    pub(super) fn now(&self, fresh: Duration) -> Option<Timestamp> {
        let heard = self.heard();
        let (newest, last) = (heard.newest?, heard.last?);
        let slept = last.wall.elapsed().unwrap_or_default();
        if last.at.elapsed() > fresh || slept > fresh {
            return None;
        }
        let elapsed = i64::try_from(newest.at.elapsed().as_secs()).ok()?;
        Timestamp::from_second(newest.date.as_second().checked_add(elapsed)?).ok()
    }

    fn hear(&self, headers: &HeaderMap) {
        let mut heard = self.heard();
        if let Some(date) = date_of(headers) {
            let sighting = Sighting { date, at: Instant::now(), wall: SystemTime::now() };
            heard.last = Some(sighting);
            // Answers may overtake each other; time does not go back.
            if heard.newest.is_none_or(|newest| newest.date <= date) {
                heard.newest = Some(sighting);
            }
        }
        for value in headers.get_all(header::WARNING) {
            let text = warning_text(&String::from_utf8_lossy(value.as_bytes()));
            if heard.warnings.len() < MOST_WARNINGS && !heard.warnings.contains(&text) {
                heard.warnings.push(text);
            }
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn date_of(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    DateTimeParser::new().parse_timestamp(text).ok()
}

/// The text of `299 - "text"`, escapes undone; the whole value where it has
/// another form.
fn warning_text(value: &str) -> String {
    let quoted = value.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"'));
    let Some((inner, _)) = quoted else { return value.to_owned() };
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        let kept = if character == '\\' { characters.next() } else { Some(character) };
        text.extend(kept);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_newest_date_counts_and_grows_stale() {
        let observer = Observer::default();
        assert_eq!(observer.now(Duration::from_secs(5)), None);
        observer.hear(&headers(&[(header::DATE, "Sun, 06 Nov 1994 08:49:37 GMT")]));
        observer.hear(&headers(&[(header::DATE, "Sun, 06 Nov 1994 08:49:30 GMT")]));
        observer.hear(&headers(&[(header::DATE, "yesterday")]));
        let now = observer.now(Duration::from_secs(60)).unwrap();
        let wanted: Timestamp = "1994-11-06T08:49:37Z".parse().unwrap();
        assert!((0..5).contains(&(now.as_second() - wanted.as_second())), "{now}");
        assert_eq!(observer.now(Duration::ZERO), None);
    }

    #[test]
    fn warnings_are_unquoted_kept_once_and_taken_once() {
        let observer = Observer::default();
        for _ in 0..2 {
            observer.hear(&headers(&[
                (header::WARNING, "299 - \"v1 \\\"Endpoints\\\" is deprecated\""),
                (header::WARNING, "299 - \"unknown field\""),
            ]));
        }
        let wanted = ["v1 \"Endpoints\" is deprecated", "unknown field"];
        assert_eq!(observer.take_warnings(), wanted);
        assert!(observer.take_warnings().is_empty());
    }
}
