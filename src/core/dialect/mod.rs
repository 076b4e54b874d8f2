//! Translations of plan documents into one model. Owns every accepted YAML kind; it must never decide anything about a rollout.
