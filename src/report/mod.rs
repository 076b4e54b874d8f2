//! What people see, from plain values.
