//! Which files of a repository belong to the plan.

use crate::core::model::Project;

/// The project's own file.
pub const PROJECT_FILE: &str = "tranche.yaml";

const TEMPLATES: &str = "templates/";

/// What a file of the repository is to the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Documents,
    Template,
    Overlay,
    Nothing,
}

/// Whether the plan reads the file at all.
#[must_use]
pub fn selects(project: &Project, path: &str) -> bool {
    path == PROJECT_FILE || role(project, path) != Role::Nothing
}

pub(super) fn role(project: &Project, path: &str) -> Role {
    if path == PROJECT_FILE {
        return Role::Nothing;
    }
    if project.overlays.iter().any(|overlay| overlay.file.as_deref() == Some(path)) {
        return Role::Overlay;
    }
    if path.starts_with(TEMPLATES) {
        return if hidden(path) { Role::Nothing } else { Role::Template };
    }
    let yaml = path.ends_with(".yaml") || path.ends_with(".yml");
    let included = if project.include.is_empty() {
        !hidden(path)
    } else {
        project.include.iter().any(|glob| matches(glob, path))
    };
    if yaml && included { Role::Documents } else { Role::Nothing }
}

fn hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.'))
}

/// Whether a glob may be used, else why not.
pub(super) fn valid_glob(glob: &str) -> Result<(), &'static str> {
    if glob.starts_with('/') || glob.contains('\\') {
        return Err("is no relative path with forward slashes");
    }
    if glob.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("has an empty, `.` or `..` part");
    }
    if glob.contains(['[', ']', '{', '}', '!']) {
        return Err("has characters that other globs give a meaning");
    }
    if glob.len() > 500 || glob.matches('*').count() > 16 {
        return Err("is too long");
    }
    Ok(())
}

/// Whether the path matches: `?` is one character, `*` any within a part,
/// `**` any number of parts. A part that begins with a dot is matched only by
/// one that is written with it.
pub(super) fn matches(glob: &str, path: &str) -> bool {
    let glob: Vec<&str> = glob.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    table(&glob, &path, |pattern| *pattern == "**", |part| !part.starts_with('.'), part)
}

fn part(pattern: &&str, text: &&str) -> bool {
    if text.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    table(&pattern, &text, |p| *p == '*', |_| true, |p, c| *p == '?' || p == c)
}

/// Wildcard matching in time proportional to the product of both lengths,
/// whatever the pattern. `any` says what matches any run of items that
/// `absorbs`, `one` whether a pattern's item matches a single one.
fn table<T>(
    pattern: &[T],
    text: &[T],
    any: impl Fn(&T) -> bool,
    absorbs: impl Fn(&T) -> bool,
    one: impl Fn(&T, &T) -> bool,
) -> bool {
    // `row` holds, for every prefix of the text, whether it matches so far.
    let mut row = vec![false; text.len() + 1];
    if let Some(empty) = row.first_mut() {
        *empty = true;
    }
    for p in pattern {
        let run = any(p);
        let mut previous = row.first().copied().unwrap_or(false);
        let mut next = Vec::with_capacity(row.len());
        next.push(run && previous);
        for (item, above) in text.iter().zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or(false);
            next.push(if run {
                *above || (left && absorbs(item))
            } else {
                previous && one(p, item)
            });
            previous = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_paths() {
        let yes = [
            ("apps/*.yaml", "apps/a.yaml"),
            ("**/*.yaml", "a.yaml"),
            ("**/*.yaml", "a/b/c.yaml"),
            ("apps/**", "apps/x/y.yml"),
            ("a?c/*-x*.yaml", "abc/1-x2.yaml"),
            (".ci/*.yaml", ".ci/a.yaml"),
        ];
        for (glob, path) in yes {
            assert!(matches(glob, path), "{glob} {path}");
        }
        let no = [
            ("apps/*.yaml", "apps/x/a.yaml"),
            ("**/*.yaml", ".git/a.yaml"),
            ("*.yaml", ".a.yaml"),
            ("a", "a/b"),
            ("a/b", "a"),
            ("?", "ab"),
            ("", "a"),
        ];
        for (glob, path) in no {
            assert!(!matches(glob, path), "{glob} {path}");
        }
        // Neither stars nor double stars may backtrack for ever.
        assert!(!matches(&format!("{}b", "*a".repeat(8)), &"a".repeat(4_000)));
        assert!(!matches(&format!("{}b", "**/a/".repeat(8)), &"a/".repeat(2_000)));
    }

    #[test]
    fn without_globs_all_yaml_but_templates_and_dot_directories_is_read() {
        let project = Project::default();
        assert_eq!(role(&project, "a/b.yml"), Role::Documents);
        assert_eq!(role(&project, "templates/web.yaml"), Role::Template);
        for path in [".github/w.yaml", "a/.b/c.yaml", "README.md", "tranche.yaml", "templates/.x"] {
            assert_eq!(role(&project, path), Role::Nothing, "{path}");
        }
        assert!(selects(&project, "tranche.yaml"));
    }
}
