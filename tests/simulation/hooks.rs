//! Those outside whom a rollout calls: how their hooks are written, and how a
//! call of one goes. Owns where the faults of calls fire; what a call may follow,
//! and what may follow it, is for the invariants.

use crate::faults::Fault;
use crate::plan::App;
use crate::schedule::Handle;
use std::fmt::Write as _;
use tranche::port::{Calling, HookAnswer, HookRequest, Hooks};

/// The host of all hooks, and that it may be called.
pub const POLICY: &str = "  policy:\n    webhooks:\n      hosts: [{host: hooks.example}]\n";
const HOST: &str = "https://hooks.example/";

/// A hook of an application, as a field of its rollout.
fn written(app: &str, kind: &str, name: &str) -> String {
    format!("{{type: {kind}, name: {name}, url: \"{HOST}{app}/{name}\"}}")
}

/// What a hook before a batch is called.
pub fn before(batch: u32) -> String {
    format!("pre-{batch}")
}

/// What a hook after a batch is called.
pub fn after(batch: u32) -> String {
    format!("post-{batch}")
}

/// What the hook before the first batch is called, and the one after the last.
pub const FIRST: &str = "init";
pub const LAST: &str = "end";

impl App {
    /// The hooks around its rollout, as fields of the plan of it.
    pub fn around(&self) -> String {
        if !self.hooked {
            return String::new();
        }
        let first = written(self.name, "initialize-rollout", FIRST);
        let last = written(self.name, "finalize-rollout", LAST);
        format!("    rolloutWebhooks:\n      - {first}\n      - {last}\n")
    }

    /// The hooks around one of its batches, as fields of that.
    pub fn around_batch(&self, batch: usize) -> String {
        let mut text = String::new();
        if let Some(batch) = u32::try_from(batch).ok().filter(|_| self.hooked) {
            text.push_str("        batchRolloutWebhooks:\n");
            let pre = written(self.name, "pre-batch-rollout", &before(batch));
            let post = written(self.name, "post-batch-rollout", &after(batch));
            let _ = writeln!(text, "          - {pre}\n          - {post}");
        }
        text
    }
}

/// Whoever makes the calls of one run.
pub struct Caller(pub Handle);

impl Hooks for Caller {
    fn call<'a>(&'a self, request: HookRequest<'a>) -> Calling<'a> {
        Box::pin(async move {
            let (handle, sim) = (&self.0, &self.0.sim);
            handle.before(true).await;
            let name = handle.name();
            let hook = request.url.strip_prefix(HOST).unwrap_or(request.url);
            handle.say(|| format!("   call {hook}, key {}", request.key));
            sim.hit("call: a hook");
            sim.audit.borrow_mut().calls(sim, &name, hook, request.key);
            let answer = if handle.fires(Fault::HookAway) {
                HookAnswer::None("simulated".to_owned())
            } else if handle.fires(Fault::HookFails) {
                HookAnswer::Status(503)
            } else if handle.fires(Fault::HookAnswerLost) {
                HookAnswer::None("simulated".to_owned())
            } else {
                HookAnswer::Status(200)
            };
            if handle.fires(Fault::HookSlow) {
                handle.pause(sim.between(1_000, 9_000)).await;
            }
            handle.after(true).await;
            if answer == HookAnswer::Status(200) {
                sim.audit.borrow_mut().agreed(hook, request.key);
            }
            handle.say(|| format!("   {hook}: {answer:?}"));
            answer
        })
    }
}
