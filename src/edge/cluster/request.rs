//! One request and what came of it. Owns deadlines and repetition; it must
//! never send a write again that may have arrived.

use crate::core::secrecy::Veil;
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;
use std::error::Error;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long to wait for a cluster, and how often to ask again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The most that one request may take, its body included.
    pub deadline: Duration,
    /// How often a read, or a write that did not arrive, is sent at most.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles from there.
    pub first_pause: Duration,
    /// The longest pause, whatever the server asks for.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            attempts: 4,
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// Whether sending a request twice can do harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Changes nothing: reads, dry-runs, access reviews.
    Read,
    /// Changes an object.
    Write,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Sent {
    /// The server's answer, whatever it says.
    Answer(Answer),
    /// The request certainly did not arrive.
    Not(String),
    /// It may have arrived; no whole answer came back.
    Lost(String),
}

/// An answer of the server.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) body: Vec<u8>,
    retry_after: Option<Duration>,
}

/// A request as data, so that it can be sent again.
pub(super) struct Call<'a> {
    pub(super) class: Class,
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

/// Sends requests through one client.
pub(super) struct Sender {
    client: kube::Client,
    patience: Patience,
    /// Passes over what the server says of failures: it may repeat values.
    pub(super) veil: Veil,
    /// How many reads may be in flight.
    turns: Box<Semaphore>,
}

/// Reads in flight at most, whoever asks for them.
const MOST_AT_ONCE: usize = 16;

impl Sender {
    pub(super) fn new(client: kube::Client, patience: Patience) -> Self {
        let turns = Box::new(Semaphore::new(MOST_AT_ONCE));
        Self { client, patience, veil: Veil::new(), turns }
    }

    pub(super) async fn get(&self, path: &str) -> Sent {
        let (class, method) = (Class::Read, Method::GET);
        self.send(&Call { class, method, path, content_type: "", body: Vec::new() }).await
    }

    /// Sends a request until it has an answer worth returning.
    pub(super) async fn send(&self, call: &Call<'_>) -> Sent {
        let mut pause = self.patience.first_pause;
        let mut left = self.patience.attempts.max(1);
        loop {
            left -= 1;
            let sent = {
                // Whoever asks for many things at once waits here; a write does not,
                // whose lease runs. It is never closed.
                let _turn = match call.class {
                    Class::Read => self.turns.acquire().await.ok(),
                    Class::Write => None,
                };
                self.once(call).await
            };
            if left == 0 || !may_repeat(&sent, call.class) {
                return sent;
            }
            let asked = match &sent {
                Sent::Answer(answer) => answer.retry_after,
                _ => None,
            };
            let wait = asked.unwrap_or(pause).min(self.patience.longest_pause);
            tokio::time::sleep(jitter(wait)).await;
            pause = pause.saturating_mul(2);
        }
    }

    async fn once(&self, call: &Call<'_>) -> Sent {
        let deadline = self.patience.deadline;
        tokio::time::timeout(deadline, self.exchange(call)).await.unwrap_or_else(|_| {
            Sent::Lost(format!("no answer within {} s", deadline.as_secs_f32()))
        })
    }

    async fn exchange(&self, call: &Call<'_>) -> Sent {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(call.path)
            .header(header::ACCEPT, "application/json");
        if !call.content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, call.content_type);
        }
        let request = match request.body(Body::from(call.body.clone())) {
            Ok(request) => request,
            Err(error) => return Sent::Not(error.to_string()),
        };
        let response = match self.client.send(request).await {
            Ok(response) => response,
            Err(error) if never_left(&error) => return Sent::Not(chain(&error)),
            Err(error) => return Sent::Lost(chain(&error)),
        };
        let code = response.status().as_u16();
        let seconds = response.headers().get(header::RETRY_AFTER);
        let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        match response.into_body().collect().await {
            Ok(body) => {
                let mut body = body.to_bytes().to_vec();
                if code >= 400 {
                    body = without_secrets(&self.veil, &body);
                }
                Sent::Answer(Answer { code, body, retry_after: seconds.map(Duration::from_secs) })
            }
            Err(error) => Sent::Lost(format!("the answer broke off: {}", chain(&error))),
        }
    }
}

/// A failure's body with its texts for people veiled. What is decided from,
/// fields and reasons, stays.
fn without_secrets(veil: &Veil, body: &[u8]) -> Vec<u8> {
    let Ok(mut status) = serde_json::from_slice::<Value>(body) else {
        return veil.text(&String::from_utf8_lossy(body)).to_string().into_bytes();
    };
    let hide = |owner: &mut Value| {
        if let Some(Value::String(text)) = owner.get_mut("message") {
            *text = veil.text(text).to_string();
        }
    };
    hide(&mut status);
    if let Some(Value::Array(causes)) = status.pointer_mut("/details/causes") {
        causes.iter_mut().for_each(hide);
    }
    status.to_string().into_bytes()
}

fn may_repeat(sent: &Sent, class: Class) -> bool {
    match sent {
        Sent::Not(_) => true,
        Sent::Lost(_) => class == Class::Read,
        // Refused before it was looked at, so a write may be sent again.
        Sent::Answer(answer) if answer.code == 429 => !answer.is_of_a_budget(),
        Sent::Answer(answer) => {
            let failed = answer.code != 501 && (500..600).contains(&answer.code);
            class == Class::Read && failed && !answer.is_not_of_the_type()
        }
    }
}

/// Whether the error shows that no byte of the request was sent: no
/// connection, or no credentials to send it with.
fn never_left(error: &kube::Error) -> bool {
    let mut at: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = at {
        if error.downcast_ref::<kube::client::AuthError>().is_some() {
            return true;
        }
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        at = error.source();
    }
    false
}

/// An error with its causes, which hyper does not print by itself.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        at = cause.source();
    }
    text
}

/// Between half of `pause` and all of it, so that runs started by one cron
/// tick do not knock at the same moment.
fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1024;
    let half = pause / 2;
    half + half.mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / 1024.0)
}
