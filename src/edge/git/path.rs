//! Paths inside a repository. Owns the rule which names may be read or
//! written; it must never touch a file.

/// Checks one component of a path inside a tree: no name that could lead out
/// of a directory or into git's own.
///
/// # Errors
/// Says what is wrong with the name.
pub(super) fn check_component(name: &[u8]) -> Result<(), String> {
    let shown = String::from_utf8_lossy(name).escape_debug().to_string();
    let git = name.eq_ignore_ascii_case(b".git");
    if name.is_empty() || name == b"." || name == b".." || git {
        return Err(format!("the name \"{shown}\" is not allowed in a path"));
    }
    if name.iter().any(|byte| matches!(byte, 0 | b'/' | b'\\')) {
        return Err(format!("the name \"{shown}\" holds a separator or NUL"));
    }
    Ok(())
}

/// Checks a whole relative path with forward slashes.
///
/// # Errors
/// Says what is wrong with the path.
pub(super) fn check_path(path: &str) -> Result<(), String> {
    path.split('/').try_for_each(|component| check_component(component.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_pass() {
        for good in ["a", "a/b.yaml", ".github/x", "a..b", ".gitignore"] {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "../a", "a/./b", "x/.GIT/config", "a\\b", "a\0"] {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
    }
}
