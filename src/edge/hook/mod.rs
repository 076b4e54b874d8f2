//! Calls of hooks over HTTP. Owns every connection to one; it must never follow
//! a redirect, ask a proxy, repeat a request, or read more of an answer than
//! its status.

mod place;

use crate::core::model::Address;
use crate::port::{CALL, Calling, HookAnswer, HookRequest, Hooks};
use futures_util::future::{Either, select};
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, USER_AGENT};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::ConfigVerifierExt as _;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const AGENT: &str = concat!("tranche/", env!("CARGO_PKG_VERSION"));

/// Calls hooks.
#[derive(Clone, Copy, Debug)]
pub struct HttpHooks {
    only_here: bool,
}

impl HttpHooks {
    /// For a real target.
    #[must_use]
    pub fn everywhere() -> Self {
        Self { only_here: false }
    }

    /// For the sandbox: only what listens on this machine is really called.
    #[must_use]
    pub fn only_here() -> Self {
        Self { only_here: true }
    }
}

impl Hooks for HttpHooks {
    fn call<'a>(&'a self, request: HookRequest<'a>) -> Calling<'a> {
        Box::pin(async move {
            let at = match Address::of(request.url) {
                Ok(at) => at,
                Err(why) => return HookAnswer::None(format!("its URL {why}")),
            };
            if self.only_here && !at.is_loopback() {
                return HookAnswer::Skipped;
            }
            match timeout(CALL, sent(&at, &request)).await {
                Ok(Ok(status)) => HookAnswer::Status(status),
                Ok(Err(why)) => HookAnswer::None(why),
                Err(_) => HookAnswer::None(format!("nothing within {} s", CALL.as_secs())),
            }
        })
    }
}

async fn sent(at: &Address, request: &HookRequest<'_>) -> Result<u16, String> {
    let stream = connected(at).await?;
    if !at.secure {
        return exchange(stream, at, request).await;
    }
    // One provider for the process; it is there already beside a cluster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config =
        rustls::ClientConfig::with_platform_verifier().map_err(|error| error.to_string())?;
    let name = ServerName::try_from(at.host.clone()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
    exchange(stream, at, request).await
}

/// A connection to one of the host's addresses, each looked at before: a name
/// may be somebody else's, and lead anywhere.
async fn connected(at: &Address) -> Result<TcpStream, String> {
    let found = tokio::net::lookup_host((at.host.as_str(), at.port)).await;
    let found = found.map_err(|error| format!("its host is not found: {error}"))?;
    let mut last = "its host has no address".to_owned();
    for address in found {
        if let Err(why) = place::callable(address.ip(), at.is_loopback()) {
            last = format!("its address {} is {why}", address.ip());
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    at: &Address,
    request: &HookRequest<'_>,
) -> Result<u16, String> {
    let shown = at.to_string();
    let authority = shown.split_once("://").map_or("", |(_, authority)| authority);
    let message = http::Request::builder()
        .method(request.method)
        .uri(&at.path)
        .header(HOST, authority)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "*/*")
        .header(CONTENT_TYPE, "application/json")
        .header(KEY, request.key)
        .body(Full::new(Bytes::from(request.body.to_owned())));
    // What is wrong with it may repeat it.
    let message = message.map_err(|_| "the request cannot be written".to_owned())?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let (answer, connection) = (pin!(sender.send_request(message)), pin!(connection));
    let answer = match select(answer, connection).await {
        Either::Left((answer, _)) => answer,
        Either::Right((_, answer)) => answer.await,
    };
    answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
