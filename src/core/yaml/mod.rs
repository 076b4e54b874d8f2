//! The one YAML module: text to spanned nodes and values, values to text. Owns the YAML profile; no other module may name a YAML crate.
