//! Calls against sockets of this machine.

use super::*;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

/// Answers one request with `answer`, and hands over what was asked.
fn server(answer: &'static str) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut part = [0; 4096];
        while !String::from_utf8_lossy(&seen).contains("\"end\"}") {
            match stream.read(&mut part) {
                Ok(length) if length > 0 => seen.extend_from_slice(&part[..length]),
                _ => break,
            }
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&seen).into_owned()
    });
    (port, asked)
}

fn call(hooks: HttpHooks, url: &str) -> HookAnswer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let request = HookRequest { url, method: "PUT", key: "abc/4", body: r#"{"a": "end"}"# };
    runtime.block_on(hooks.call(request))
}

#[test]
fn a_call_is_one_request_and_its_status_is_the_answer() {
    let (port, asked) = server("HTTP/1.1 204 No Content\r\n\r\n");
    let answer = call(HttpHooks::only_here(), &format!("http://127.0.0.1:{port}/a/b?c=d"));
    assert_eq!(answer, HookAnswer::Status(204));
    let asked = asked.join().unwrap().to_lowercase();
    assert!(asked.starts_with("put /a/b?c=d http/1.1\r\n"), "{asked}");
    for header in [
        format!("host: 127.0.0.1:{port}\r\n"),
        "idempotency-key: abc/4\r\n".to_owned(),
        "content-type: application/json\r\n".to_owned(),
    ] {
        assert!(asked.contains(&header), "{header} in {asked}");
    }
}

#[test]
fn a_redirect_is_an_answer_and_is_not_followed() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let to = other.local_addr().unwrap();
    let text = format!("HTTP/1.1 307 Moved\r\nlocation: http://{to}/\r\ncontent-length: 0\r\n\r\n");
    let (port, asked) = server(Box::leak(text.into_boxed_str()));
    let answer = call(HttpHooks::everywhere(), &format!("http://localhost:{port}/"));
    assert_eq!(answer, HookAnswer::Status(307));
    asked.join().unwrap();
    assert!(other.accept().is_err(), "nobody has gone there");
}

#[test]
fn an_answer_without_end_is_not_read() {
    let (port, asked) = server("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nabc");
    let answer = call(HttpHooks::everywhere(), &format!("http://127.0.0.1:{port}/"));
    assert_eq!(answer, HookAnswer::Status(200));
    asked.join().unwrap();
}

#[test]
fn what_goes_wrong_is_said_without_the_url() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (plain, _asked) = server("HTTP/1.1 200 OK\r\n\r\n");
    for url in [
        format!("http://127.0.0.1:{closed}/secret?token=secret"),
        // Plain HTTP is not taken for TLS.
        format!("https://127.0.0.1:{plain}/secret?token=secret"),
        "http://169.254.169.254/secret".to_owned(),
        "http://[fd00:ec2::254]/secret".to_owned(),
    ] {
        let answer = call(HttpHooks::everywhere(), &url);
        let HookAnswer::None(why) = answer else { unreachable!("{url}: {answer:?}") };
        assert!(!why.contains("secret") && !why.is_empty(), "{why}");
    }
    let answer = call(HttpHooks::only_here(), "https://hooks.example.com/");
    assert_eq!(answer, HookAnswer::Skipped);
}
