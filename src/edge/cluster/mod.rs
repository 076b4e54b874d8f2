//! Clusters, through `kube`'s client and raw requests. Owns requests, their
//! deadlines and how the server's answers are told apart; it must never
//! repeat a write whose outcome is unknown, nor force a field.

mod answer;
mod body;
mod clock;
mod connect;
mod discovery;
mod kube_cluster;
mod list;
mod observe;
mod page;
mod path;
mod request;
#[cfg(test)]
mod tests;

pub use clock::ApiServerClock;
pub use connect::{Connected, connect};
pub use kube_cluster::KubeCluster;
pub use observe::Observer;
pub use request::Patience;

pub use crate::core::strategy::FIELD_MANAGER;
