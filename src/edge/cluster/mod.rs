//! Clusters through `kube`.
