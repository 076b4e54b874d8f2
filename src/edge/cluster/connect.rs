//! From a target's declaration to a client. Owns which connections are safe
//! enough; it must never fall back to another cluster than the one named.

use super::clock::ApiServerClock;
use super::kube_cluster::KubeCluster;
use super::observe::Observer;
use crate::core::model::ClusterRef;
use crate::core::secrecy::Veil;
use crate::port::{ClusterError, ClusterProblem};
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(30);

/// A cluster that can be spoken to.
pub struct Connected {
    /// The cluster.
    pub cluster: KubeCluster,
    /// Its API server's clock.
    pub clock: ApiServerClock,
    /// Hears what the server says besides its answers, such as warnings.
    pub observer: Observer,
    /// The API server's address, for people.
    pub server: String,
}

/// Makes the client for a declared cluster; nothing is sent yet. Contexts are
/// looked up in `kubeconfig`, or else in the operator's own files; `veil`
/// learns the credentials there.
///
/// # Errors
/// Fails when the context or its files are not there, and refuses servers
/// whose identity would not be checked.
pub async fn connect(
    cluster: &ClusterRef,
    kubeconfig: Option<&Path>,
    veil: &Veil,
) -> Result<Connected, ClusterError> {
    let subject = match cluster {
        ClusterRef::Context(name) => format!("the context \"{}\"", name.escape_debug()),
        ClusterRef::InCluster => "the cluster of this pod".to_owned(),
        ClusterRef::Sandbox => "the sandbox".to_owned(),
    };
    let made = match cluster {
        ClusterRef::Context(name) => from_context(name, kubeconfig).await,
        ClusterRef::InCluster => Config::incluster().map_err(|error| error.to_string()),
        ClusterRef::Sandbox => Err("it is part of this program, not connected to".to_owned()),
    };
    if let Ok(config) = &made {
        learn_credentials(config, veil);
    }
    made.and_then(client)
        .map_err(|cause| ClusterError { subject, problem: ClusterProblem::Other(cause) })
}

/// Tokens, passwords and keys, as the kubeconfig has them.
fn learn_credentials(config: &Config, veil: &Veil) {
    let Ok(user) = serde_json::to_value(&config.auth_info) else { return };
    veil.learn_object("", &user);
    let key = user.get("client-key-data").and_then(Value::as_str);
    veil.learn(key.unwrap_or_default());
}

async fn from_context(name: &str, kubeconfig: Option<&Path>) -> Result<Config, String> {
    let read = match kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let read = read.map_err(|error| error.to_string())?;
    let options = KubeConfigOptions { context: Some(name.to_owned()), cluster: None, user: None };
    Config::from_custom_kubeconfig(read, &options).await.map_err(|error| error.to_string())
}

fn client(mut config: Config) -> Result<Connected, String> {
    check(&config)?;
    // One provider for the process; it is there already for a second target.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // kube's own repetition does not spare writes (kube-rs/kube#2082).
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(ANSWER);
    config.write_timeout = Some(ANSWER);
    config.reset_reader_on_write = true;
    if is_loopback(&config) {
        config.proxy_url = None;
    }
    let server = config.cluster_url.to_string();
    let observer = Observer::default();
    let builder = ClientBuilder::try_from(config).map_err(|error| error.to_string())?;
    let client: Client = builder.with_layer(&observer.layer()).build();
    let clock = ApiServerClock::new(client.clone(), observer.clone());
    Ok(Connected { cluster: KubeCluster::new(client), clock, observer, server })
}

fn check(config: &Config) -> Result<(), String> {
    if config.accept_invalid_certs {
        return Err("refused: insecure-skip-tls-verify is set, so anybody could pose as the \
                    cluster; give its certificate-authority instead"
            .to_owned());
    }
    if config.cluster_url.scheme_str() != Some("https") && !is_loopback(config) {
        return Err(format!(
            "refused: {} is not https, so credentials would travel in the clear",
            config.cluster_url
        ));
    }
    Ok(())
}

fn is_loopback(config: &Config) -> bool {
    let host = config.cluster_url.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
