//! What to do next: the state machine made total. Owns every decision about a rollout; it must never act.
