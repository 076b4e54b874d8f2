//! What an apply would change, as text. Owns the comparison of desired and live; it must never talk to a cluster.
