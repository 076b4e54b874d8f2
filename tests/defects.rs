//! The deliberate defects of the simulation must stay what they are: patches
//! that apply to the source as it is, each with a line that says what is wrong,
//! and each in the table of results.

#![expect(clippy::disallowed_methods, reason = "a test fails by panicking, and asks git")]

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn every_defect_applies_and_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("docs/simulation.md")).unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join("tests/simulation/defects")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "patch") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let done = Command::new("git")
            .current_dir(root)
            .args(["apply", "--check"])
            .arg(&path)
            .output()
            .expect("git is there");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{name} does not apply: {said}");
        assert!(fs::read_to_string(&path).unwrap().starts_with("# "), "{name} says nothing");
        assert!(table.contains(&format!("| {name} |")), "{name} is not in docs/simulation.md");
        names.push(name);
    }
    assert!(names.len() >= 46, "only {} defects: {names:?}", names.len());
}
