//! Compilers from a plan to steps in one small language. Owns the step language; it must never look at a cluster.
