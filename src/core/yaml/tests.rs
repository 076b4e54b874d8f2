//! The profile, scalar by scalar, and what is written read by two readers.

use super::*;
use crate::core::model::Limits;
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(text: &str) -> Value {
    one(text.as_bytes()).unwrap()
}

fn one(bytes: &[u8]) -> Result<Value, String> {
    let documents =
        parse("a.yaml", bytes, &Limits::default()).map_err(|error| error.to_string())?;
    Ok(documents.first().map_or(Value::Null, |document| document.root.to_value()))
}

fn refused(bytes: &[u8]) -> String {
    one(bytes).unwrap_err()
}

#[test]
fn a_manifest_reads_as_kubectl_reads_it() {
    let text =
        "a: yes\nmode: 0644\nb: [1_000, 'no', \"on\", !!str 12, 2026-11-21]\nc: |\n  x\n   y\nd:\n";
    assert_eq!(
        read(text),
        json!({"a": true, "mode": 420, "b": [1000, "no", "on", "12", "2026-11-21"], "c": "x\n y\n", "d": null})
    );
}

#[test]
fn places_of_keys_and_values_are_kept_and_so_is_their_order() {
    let documents =
        parse("a.yaml", b"---\n# c\n---\nz: 1\n\xc3\xa9: [x, \"y\"]\n", &Limits::default())
            .unwrap();
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].place.line, 4);
    let entries = documents[0].root.entries();
    let keys: Vec<_> =
        entries.iter().map(|e| (e.key.text.as_str(), e.key.line, e.key.column)).collect();
    assert_eq!(keys, [("z", 4, 1), ("é", 5, 1)]);
    let items = entries[1].value.items();
    assert_eq!((items[1].line, items[1].column, items[1].width), (5, 8, 3));
}

#[test]
fn merge_keys_are_accepted_and_own_keys_win() {
    let text = "base: &b {x: 1, w: 1}\nmore: &m {w: 2, z: 2}\nboth:\n  w: 0\n  <<: [*m, *b]\n";
    assert_eq!(read(text)["both"], json!({"x": 1, "w": 0, "z": 2}));
    assert!(refused(b"a: {<<: 1}").contains("`<<` merges mappings only"));
}

#[test]
fn bom_crlf_and_unicode_read_alike() {
    let plain = read("a: |\n  ü😀\nb: 2\n");
    assert_eq!(plain, json!({"a": "ü😀\n", "b": 2}));
    assert_eq!(read("\u{feff}a: |\r\n  ü😀\r\nb: 2\r\n"), plain);
}

#[test]
fn what_is_not_of_the_profile_is_refused_with_its_place() {
    let cases: [(&[u8], &str); 10] = [
        (b"a: 1\nb: 2\na: 3\n", "a.yaml:3:1: the key `a` is written twice"),
        (b"on: x\n", "a.yaml:1:1: a key must be a string, but this is the boolean `on`"),
        (b"[a]: x\n", "a.yaml:1:1: a key must be a string, but this is a list"),
        (b"a: .inf\n", "a.yaml:1:4: `.inf` is no finite number"),
        (b"a: 1e400\n", "a.yaml:1:4: `1e400` is no finite number"),
        (b"a: !include x\n", "the tag `!include` is not accepted"),
        (b"a: !!python/object x\n", "the tag `!!python/object` is not accepted"),
        (b"a: 1\nb: \xff\n", "a.yaml:2: not valid UTF-8"),
        (b"a: \0\n", "a.yaml:1: a NUL byte in a text file"),
        (b"a: &x [*x]\n", "a.yaml:1:8: the alias refers to what it stands in"),
    ];
    for (input, expected) in cases {
        let error = refused(input);
        assert!(error.contains(expected), "{error}");
    }
    assert!(refused(b"a: [1\nb: 2\n").contains("not valid YAML: "));
}

#[test]
fn an_alias_bomb_is_refused_before_it_is_built() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(refused(bomb.as_bytes()).contains("repeat too much"));
    // A few anchors deep inside each other must not multiply depth either.
    let mut chain = String::from("a0: &a0 []\n");
    for level in 1..60 {
        chain.push_str(&format!("a{level}: &a{level} [[[[*a{}]]]]\n", level - 1));
    }
    assert!(refused(chain.as_bytes()).contains("levels deep"));
}

#[test]
fn deep_nesting_never_reaches_the_stack() {
    for text in ["[".repeat(10_000), "- ".repeat(10_000), "{a: ".repeat(10_000)] {
        let error = refused(text.as_bytes());
        assert!(
            error.contains("nested more than 100 levels deep") || error.contains("recursion limit"),
            "{error}"
        );
    }
    let fine = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert!(one(fine.as_bytes()).is_ok());
}

#[test]
fn size_and_documents_are_bounded_by_the_limits() {
    let error = refused("--- {a: 1}\n".repeat(100_000).as_bytes());
    assert!(error.starts_with("a.yaml:1025:1: more than 1024 documents in one file"), "{error}");
    let tiny = Limits { file_bytes: 3, ..Limits::default() };
    let error = parse("a.yaml", b"a: 1", &tiny).unwrap_err().to_string();
    assert!(error.starts_with("a.yaml: 4 bytes, more than the 3 allowed"), "{error}");
    assert!(
        refused("[],".repeat(600_000).as_bytes()).contains("not valid YAML")
            || refused(format!("[{}]", "[],".repeat(600_000)).as_bytes())
                .contains("more than 500000")
    );
}

#[test]
fn lint_names_what_the_two_yaml_versions_read_differently() {
    let text = "a: yes\nb: 'yes'\nc: 0644\nd: [1_000, 12:30:45, off]\ne: 0o17\nf: true\ng: 12\nh: !!str no\n";
    let documents = parse("a.yaml", text.as_bytes(), &Limits::default()).unwrap();
    let found: Vec<String> = ambiguous(&documents[0])
        .into_iter()
        .map(|notice| format!("{} {}", notice.place.line, notice.message))
        .collect();
    assert_eq!(
        found,
        [
            "1 `yes` is true to Kubernetes and a string in YAML 1.2: put it in quotes or write it otherwise",
            "3 `0644` is 420 to Kubernetes and 644 in YAML 1.2: put it in quotes or write it otherwise",
            "4 `1_000` is 1000 to Kubernetes and a string in YAML 1.2: put it in quotes or write it otherwise",
            "4 `12:30:45` is a base-60 number in YAML 1.1 and a string to Kubernetes: put it in quotes",
            "4 `off` is false to Kubernetes and a string in YAML 1.2: put it in quotes or write it otherwise",
            "5 `0o17` is 15 to Kubernetes and a string in YAML 1.1: write it otherwise",
        ]
    );
}

#[test]
fn the_written_form_is_pinned() {
    let value = json!({
        "a": [{"b": 1, "c": []}, [1, [2]], "x\n  y\n"],
        "n": {"deep": {"er": {}}},
        "q": ["yes", "on", "0644", "1e3", "2026-11-21", "~", "", " x", "a: b", "nginx:1.27", "-", "#"],
        "t": "no newline\nat end", "k": "two\n\n", "8080": null
    });
    let text = to_yaml_sorted(&value);
    assert_eq!(
        text,
        "\"8080\": null\na:\n- b: 1\n  c: []\n- - 1\n  - - 2\n- |\n  x\n    y\nk: |+\n  two\n\n\"n\":\n  deep:\n    er: {}\nq:\n- \"yes\"\n- \"on\"\n- \"0644\"\n- \"1e3\"\n- \"2026-11-21\"\n- \"~\"\n- \"\"\n- \" x\"\n- \"a: b\"\n- nginx:1.27\n- \"-\"\n- \"#\"\nt: |-\n  no newline\n  at end\n"
    );
    assert_eq!(read(&text), value);
}

#[test]
fn keys_too_long_for_simple_readers_are_written_with_a_question_mark() {
    let (long, longer) = ("k".repeat(2_000), "é ".repeat(900));
    let value = json!({long: {"a": [1, {longer: ["x\u{2028}\u{85}\n", {}, []]}], "b": "yes"}, "z": [{"k".repeat(600): 1}]});
    let text = to_yaml(&value);
    assert_eq!(read(&text), value);
    assert_eq!(serde_yaml::from_str::<Value>(&text).unwrap(), value);
}

#[test]
fn sorting_is_by_bytes_at_every_level() {
    let value = json!({"b": {"z": 1, "a": 2}, "B": [{"y": 1, "x": 2}]});
    assert_eq!(to_yaml_sorted(&value), "B:\n- x: 2\n  \"y\": 1\nb:\n  a: 2\n  z: 1\n");
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "[a-z:# \n\t-]{0,12}",
        "\\PC{0,6}",
        any::<String>().prop_map(|text| text.replace('\0', "")),
        prop::sample::select(vec![
            "yes",
            "No",
            "ON",
            "~",
            "",
            "null",
            "0644",
            "1e3",
            ".inf",
            "0x1f",
            "1_0",
            "12:30:45",
            "2026-11-21",
            "<<",
            "=",
            "---",
            "...",
            "- a",
            "? a",
            "|",
            ">",
            "%",
            "@",
            "a #b",
            "a: ",
            "\u{85}",
            "\u{feff}",
            "!x",
            "&x",
            "*x",
            "`",
            "\"",
            "'",
            "{",
            "\r\n",
            "y",
            "\u{7f}"
        ])
        .prop_map(str::to_owned),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e15_f64..1e15).prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(any_text(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back_equal(value in any_value()) {
        let text = to_yaml(&value);
        prop_assert_eq!(one(text.as_bytes()).map_err(|e| format!("{e}\n{text}")), Ok(value.clone()));
        let oracle: Value = serde_yaml::from_str(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(oracle, value, "{}", text);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), text in "[-a-c:{}\\[\\]&*!|>'\"\n #,?]{0,40}") {
        let _ = one(&bytes);
        let _ = one(text.as_bytes());
    }
}
