//! Requests: every case of the table on both servers, answers compared.

use crate::case::{Case, Exception, cases, read_yaml};
use crate::difference::{LeftOuts, differences};
use crate::normal::Normal;
use crate::server::{Call, Server};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A namespace that no other case has, on both servers.
fn namespace() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    format!("case-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn with_namespace(server: &Server, name: &str) {
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let (code, answer) = server.send(&Call {
        method: "POST".into(),
        path: "/api/v1/namespaces".into(),
        media: "application/json".into(),
        body: body.to_string(),
    });
    assert_eq!(code, 201, "{}: {answer}", server.name);
}

/// What differs in one case, as text; nothing if both answered the same.
fn run(case: &Case, real: &Server, sandbox: &Server, bases: &Value, left_out: &LeftOuts) -> String {
    let namespace = namespace();
    let servers = [real, sandbox];
    servers.iter().for_each(|server| with_namespace(server, &namespace));
    let mut answers: [Vec<Value>; 2] = Default::default();
    let mut normals: [Normal; 2] = Default::default();
    let mut said = String::new();
    for (index, step) in case.steps.iter().enumerate() {
        let mut codes = [0; 2];
        let mut bodies: [Value; 2] = Default::default();
        for which in 0..2 {
            let call = step.call(&namespace, &answers[which], bases);
            let (code, body) = servers[which].send(&call);
            codes[which] = code;
            bodies[which] = normals[which].answer(&body);
            answers[which].push(body);
        }
        let lines = compared(step.exception, codes, &bodies, left_out);
        if !lines.is_empty() {
            let _ = writeln!(said, "  step {}: {}", index + 1, step.request);
            lines.iter().for_each(|line| {
                let _ = writeln!(said, "    {line}");
            });
        }
    }
    said
}

fn compared(
    exception: Option<Exception>,
    [real, sandbox]: [u16; 2],
    bodies: &[Value; 2],
    left_out: &LeftOuts,
) -> Vec<String> {
    let mut lines = differences(&bodies[0], &bodies[1], left_out);
    if real != sandbox {
        lines.insert(0, format!("code: real {real} sandbox {sandbox}"));
    }
    let (taken, refused) = (200..300, 400..500);
    let as_said = match exception {
        None => return lines,
        Some(Exception::Refused) => sandbox == 501 && real != 501,
        Some(Exception::Stricter) => taken.contains(&real) && refused.contains(&sandbox),
        Some(Exception::Laxer) => real >= 400 && taken.contains(&sandbox),
        Some(Exception::Words) => real == sandbox && real >= 400 && !lines.is_empty(),
    };
    if as_said { Vec::new() } else { [vec![format!("not as said: {exception:?}")], lines].concat() }
}

/// Every case of a file; what differs is told for all of them at once.
fn all(file: &str) {
    let bases = read_yaml("cases/bases.yaml");
    let left_out = LeftOuts::read();
    let (real, sandbox) = (Server::still_real(), Server::still_sandbox());
    let mut failed = 0;
    let mut said = String::new();
    let cases = cases(file);
    for case in &cases {
        let lines = run(case, &real, &sandbox, &bases, &left_out);
        if !lines.is_empty() {
            failed += 1;
            let _ = writeln!(said, "{}\n{lines}", case.name);
        }
    }
    assert!(failed == 0, "{failed} of {} cases of {file} differ:\n{said}", cases.len());
}

macro_rules! tables {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            all(concat!("cases/", stringify!($name), ".yaml"));
        }
    )*};
}

tables! {
    applies daemonsets defaults deletes lists owners preconditions reads validation writes
}
