//! The record branch: formats, trailers, paths. Owns what is written to git and how it is read back; it must never run git.
