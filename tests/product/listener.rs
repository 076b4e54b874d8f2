//! A server that hooks call: it keeps what it is asked, and answers as a test
//! says.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and path.
    pub line: String,
    /// The idempotency key.
    pub key: String,
    /// The payload.
    pub body: Value,
}

impl Asked {
    /// The path and the phase that it was told.
    pub fn told(&self) -> (String, String) {
        let path = self.line.split(' ').nth(1).unwrap().to_owned();
        (path, self.body["phase"].as_str().unwrap().to_owned())
    }
}

/// The server; it ends with the test's process.
pub struct Listener {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Listener {
    /// Answers each request by a status line and headers, from how many came
    /// before it and what it is.
    pub fn new(answer: impl Fn(usize, &Asked) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                let before = kept.lock().unwrap().len();
                kept.lock().unwrap().push(request.clone());
                let head = answer(before, &request);
                // Whoever asked may be gone by now.
                let _ = write!(stream, "HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n");
            }
        });
        Self { port, asked }
    }

    /// Everything that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The paths and phases that it was told.
    pub fn told(&self) -> Vec<(String, String)> {
        self.asked().iter().map(Asked::told).collect()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (mut key, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "idempotency-key" => key = value.to_owned(),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { line, key, body: serde_json::from_slice(&body).ok()? })
}
