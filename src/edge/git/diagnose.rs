//! Why a remote could not be read. Owns which class of error people are shown
//! and so which advice; nothing of the protocol may ever be decided from it.

use super::child::{Ended, is_trace};
use super::text::mask;
use super::url::{RemoteUrl, Transport};
use crate::port::RemoteError;

/// The error for a call of git that ended badly.
pub(super) fn diagnose(url: &RemoteUrl, ended: &Ended) -> RemoteError {
    match last_answer(&ended.stderr) {
        Some(answer) => http(url, ended.said.clone(), answer),
        None if url.transport() == Transport::Local => unreachable(url, ended.said.clone()),
        // Or never came as far as an answer.
        None => ssh(url, ended),
    }
}

pub(super) fn unreachable(url: &RemoteUrl, cause: String) -> RemoteError {
    RemoteError::Unreachable { remote: url.to_string(), cause }
}

/// By the status of the last answer, which git's trace holds.
fn http(url: &RemoteUrl, cause: String, answer: Answer) -> RemoteError {
    let remote = url.to_string();
    match answer.status {
        401 | 403 | 407 => RemoteError::Unauthorized { remote, cause },
        404 | 410 => RemoteError::NotFound { remote, cause },
        300..=399 => {
            let to = answer.location.unwrap_or_else(|| "nowhere".to_owned());
            RemoteError::Redirected { remote, to }
        }
        200..=299 => {
            unreachable(url, format!("what answers is no git server, or broke off: {cause}"))
        }
        status => unreachable(url, format!("the server answered {status}: {cause}")),
    }
}

/// ssh has one exit code for all that it fails by; its words choose the
/// advice, and nothing more.
fn ssh(url: &RemoteUrl, ended: &Ended) -> RemoteError {
    let remote = url.to_string();
    let cause = ended.said.clone();
    let says = |text: &str| cause.contains(text);
    if says("Host key verification failed") || says("IDENTIFICATION HAS CHANGED") {
        RemoteError::HostKey { remote, cause }
    } else if says("Permission denied (") || says("Too many authentication failures") {
        RemoteError::Unauthorized { remote, cause }
    } else if says("does not appear to be a git repository") || says("epository not found") {
        RemoteError::NotFound { remote, cause }
    } else {
        unreachable(url, cause)
    }
}

/// Whether the server has answered that these credentials may not do it.
pub(super) fn is_denied(ended: &Ended) -> bool {
    last_answer(&ended.stderr).is_some_and(|answer| matches!(answer.status, 401 | 403))
}

/// Whether there were answers over HTTP, and none of git's own protocol.
pub(super) fn is_no_git_server(ended: &Ended) -> bool {
    let of_git = |head: String| {
        head.split_once(':').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("content-type")
                && value.trim().starts_with("application/x-git-")
        })
    };
    last_answer(&ended.stderr).is_some() && !heads(&ended.stderr).any(of_git)
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    location: Option<String>,
}

/// The lines of the heads of answers, from git's trace.
fn heads(stderr: &[u8]) -> impl Iterator<Item = String> {
    stderr.split(|byte| *byte == b'\n').filter(|line| is_trace(line)).filter_map(|line| {
        let line = String::from_utf8_lossy(line);
        let (_, head) = line.split_once("<= Recv header: ")?;
        Some(head.trim().to_owned())
    })
}

fn last_answer(stderr: &[u8]) -> Option<Answer> {
    let mut last = None;
    for head in heads(stderr) {
        if let Some(rest) = head.strip_prefix("HTTP/") {
            let status = rest.split(' ').nth(1).and_then(|code| code.parse().ok());
            last = status.map(|status| Answer { status, location: None });
        } else if let Some((name, value)) = head.split_once(':')
            && name.eq_ignore_ascii_case("location")
            && let Some(answer) = &mut last
        {
            answer.location = Some(destination(value.trim()));
        }
    }
    last
}

/// Where a redirect leads, as a remote's URL: what git has added is taken off.
fn destination(location: &str) -> String {
    let plain = location.split(['?', '#']).next().unwrap_or(location);
    let plain = plain.trim_end_matches("/info/refs");
    mask(plain).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_of_a_trace_counts() {
        let trace = b"12:00:00.000000 http.c:9 <= Recv header: HTTP/1.1 401 Unauthorized\r\n\
            12:00:00.000001 http.c:9 <= Recv header: Location: https://no.test/\r\n\
            12:00:00.000002 http.c:9 <= Recv header: HTTP/2 302\r\n\
            12:00:00.000003 http.c:9 <= Recv header: location: https://u:p@b.test/r.git/info/refs?service=x\r\n\
            12:00:00.000004 http.c:9 <= Recv header:\r\n\
            remote: 12 <= Recv header: HTTP/1.1 200 OK\n";
        let to = Some("https://***@b.test/r.git".to_owned());
        assert_eq!(last_answer(trace), Some(Answer { status: 302, location: to }));
        assert_eq!(last_answer(b"fatal: no\n"), None);
    }
}
