//! The run: rounds, effects, recovery. Owns the order of things, no policy.
