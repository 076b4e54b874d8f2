//! Changes at their place: what they change, what they leave, and what they
//! refuse.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn draft(text: &str) -> Draft {
    Draft::of("a.yaml", text.as_bytes(), &Limits::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn text(draft: &Draft) -> String {
    String::from_utf8(draft.bytes().to_vec()).unwrap()
}

fn path(text: &str) -> Vec<Seg> {
    let seg = |part: &str| part.parse::<usize>().map_or_else(|_| part.into(), Seg::Index);
    text.split('.').filter(|part| !part.is_empty()).map(seg).collect()
}

const FILE: &str = "\
# The first line.
a:   1   # one
list:   
- name: x    # the first
  value: 'it''s'

  # about y
- name: \"y\\\"z\"
  more:
    deep: [1, 2]
b: { c: plain , d: 2 }
---
# Another document.
kind: Other
last: end";

#[test]
fn a_scalar_changes_and_nothing_else() {
    let changes = [
        ("a", json!(22), "a:   1   # one", "a:   22   # one"),
        ("list.0.name", json!("zz"), "name: x    #", "name: zz    #"),
        ("list.0.value", json!("that's"), "'it''s'", "'that''s'"),
        ("list.1.name", json!("q\"r"), "\"y\\\"z\"", "\"q\\\"r\""),
        ("list.1.name", json!(5), "\"y\\\"z\"", "5"),
        ("b.c", json!("true"), "c: plain ,", "c: \"true\" ,"),
        ("list.1.more.deep.1", json!("2.0"), "[1, 2]", "[1, \"2.0\"]"),
    ];
    for (at, value, was, is) in changes {
        for (from, to) in [("", ""), ("\n", "\r\n")] {
            let file = if from.is_empty() { FILE.to_owned() } else { FILE.replace(from, to) };
            let mut draft = draft(&file);
            draft.set(0, &path(at), &value).unwrap_or_else(|e| panic!("{at}: {e}"));
            assert_eq!(text(&draft), file.replacen(was, is, 1), "{at}");
        }
    }
}

#[test]
fn entries_and_items_come_and_go_with_their_own_lines() {
    let mut draft = draft(FILE);
    let next = json!({"instance": "v2", "percent": 50});
    draft.put(0, &path("list.0"), ("next", &next), Some("name")).unwrap();
    let with = "# the first\n  next:\n    instance: v2\n    percent: 50\n  value";
    assert_eq!(text(&draft), FILE.replace("# the first\n  value", with));
    draft.put(0, &path("list.0.next"), ("percent", &json!(60)), None).unwrap();
    assert_eq!(text(&draft), FILE.replace("# the first\n  value", &with.replace("50", "60")));
    draft.remove(0, &path("list.0.next")).unwrap();
    assert_eq!(text(&draft), FILE);
    draft.push(0, &path("list"), &json!({"name": "w", "value": "a=b=c"})).unwrap();
    let pushed = "[1, 2]\n- name: w\n  value: a=b=c\n";
    assert_eq!(text(&draft), FILE.replace("[1, 2]\n", pushed));
    draft.remove(0, &path("list.2")).unwrap();
    assert_eq!(text(&draft), FILE);
    draft.put(1, &[], ("more", &json!(["x"])), None).unwrap();
    assert_eq!(text(&draft), format!("{FILE}\nmore:\n- x"));
    draft.remove(1, &path("more.0")).unwrap();
    assert_eq!(text(&draft), FILE, "the last item takes its list with it");
    draft.remove(0, &path("list.0")).unwrap();
    let first = "- name: x    # the first\n  value: 'it''s'\n";
    assert_eq!(text(&draft), FILE.replace(first, ""));
}

#[test]
fn a_list_of_entries_in_braces_is_a_list_in_lines() {
    let file = "list:\n- {name: x}\n- {name: y}\nrows:\n  - [1]\n";
    let mut draft = draft(file);
    draft.push(0, &path("list"), &json!({"name": "z"})).unwrap();
    assert_eq!(text(&draft), file.replace("y}\n", "y}\n- name: z\n"));
    draft.remove(0, &path("list.0")).unwrap();
    draft.push(0, &path("rows"), &json!(2)).unwrap();
    let expected = "list:\n- {name: y}\n- name: z\nrows:\n  - [1]\n  - 2\n";
    assert_eq!(text(&draft), expected);
    for flow in ["a: [[1], 2]\n", "a: [{b: 1}]\n", "a: []\n"] {
        let error = self::draft(flow).push(0, &path("a"), &json!(3)).unwrap_err().to_string();
        assert!(error.contains("written in brackets"), "{flow}: {error}");
    }
}

#[test]
fn new_lines_end_as_the_one_before_them_does() {
    let mut draft = draft("a: 1\r\nb: 2\nc: 3\r\n");
    draft.put(0, &[], ("d", &json!(4)), Some("b")).unwrap();
    draft.put(0, &[], ("e", &json!(5)), Some("a")).unwrap();
    assert_eq!(text(&draft), "a: 1\r\ne: 5\r\nb: 2\nd: 4\nc: 3\r\n");
}

#[test]
fn a_document_goes_and_the_others_stay_as_they_are() {
    let parts = FILE.split_once("---\n").unwrap();
    let mut first = draft(FILE);
    assert!(first.remove_document(0).unwrap());
    assert_eq!(text(&first), format!("---\n{}", parts.1));
    assert!(!first.remove_document(0).unwrap(), "the file has to go");
    let mut second = draft(FILE);
    assert!(second.remove_document(1).unwrap());
    assert_eq!(text(&second), parts.0);
    let three = "a: 1\n---\nb: |\n  ---\n  x\n---  # c\nc: 3\n";
    let mut middle = draft(three);
    assert!(middle.remove_document(1).unwrap());
    assert_eq!(text(&middle), "a: 1\n---  # c\nc: 3\n");
}

#[test]
fn what_cannot_be_changed_at_its_place_is_refused_and_stays() {
    let cases = [
        ("a: &x v\nb: *x\n", "a", "an anchor"),
        ("a: &x v\nb: *x\n", "b", "an anchor"),
        ("base: &m {v: 1}\na: {<<: *m}\n", "a.v", "an anchor"),
        ("a: |\n  v\n", "a", "no plain or quoted value on one line"),
        ("a: \"v\n  w\"\n", "a", "no plain or quoted value on one line"),
        ("a: {b: c}\n", "a", "no single value"),
    ];
    for (file, at, why) in cases {
        let mut draft = draft(file);
        let error = draft.set(0, &path(at), &json!("w")).expect_err(file).to_string();
        assert!(error.contains(why) && error.contains("a.yaml:"), "{file}: {error}");
        assert_eq!(text(&draft), file);
    }
    for (file, at) in [("a: {b: c}\n", "a"), ("- {b: c}\n", "0")] {
        let error = draft(file).put(0, &path(at), ("d", &json!(1)), None).unwrap_err().to_string();
        assert!(error.contains("written in brackets"), "{error}");
    }
    let error = draft("a: [x, y]\n").push(0, &path("a"), &json!("z")).unwrap_err().to_string();
    assert!(error.contains("written in brackets"), "{error}");
}

#[test]
fn a_byte_order_mark_stays() {
    let mut draft = draft("\u{feff}a: x\n");
    draft.set(0, &path("a"), &json!("z")).unwrap();
    assert_eq!(text(&draft), "\u{feff}a: z\n");
}

fn scalar() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "x", "yes", "1", "null", "", " a", "a: b", "#c", "it's", "\"q\"", "é ü", "- x", "a\\b", "~",
    ]);
    prop_oneof![
        words.prop_map(|word| json!(word)),
        any::<u16>().prop_map(|n| json!(n)),
        any::<bool>().prop_map(|b| json!(b)),
    ]
}

/// How a scalar may be written: its text, quotes, and what follows on its line.
fn written() -> impl Strategy<Value = String> {
    let styles = vec![
        "plain",
        "pl ain",
        "12",
        "\"quo\\\"ted\"",
        "'single ''quoted'''",
        "é",
        "a#b",
        "http://x:1/y",
    ];
    let tails = vec!["", " ", "   # c", "\t", " # \"x\" 'y'"];
    (prop::sample::select(styles), prop::sample::select(tails)).prop_map(|(s, t)| format!("{s}{t}"))
}

proptest! {
    #[test]
    fn whatever_a_file_looks_like_one_value_changes(
        values in prop::collection::vec(written(), 1..6),
        pick in any::<prop::sample::Index>(),
        to in scalar(),
        crlf in any::<bool>(),
        deep in any::<bool>(),
        open in any::<bool>(),
    ) {
        let ending = if crlf { "\r\n" } else { "\n" };
        let head = if deep { format!("root:   # r{ending}") } else { String::new() };
        let pad = if deep { "   " } else { "" };
        let line = |(i, value): (usize, &String)| format!("{pad}k{i}:  {value}");
        let lines: Vec<String> = values.iter().enumerate().map(line).collect();
        let mut file = head + &lines.join(ending);
        if !open {
            file.push_str(ending);
        }
        let which = pick.index(values.len());
        let mut at = if deep { path("root") } else { Vec::new() };
        at.push(format!("k{which}").as_str().into());
        let before = draft(&file);
        let mut after = before.clone();
        after.set(0, &at, &to).unwrap();
        prop_assert_eq!(after.at(0, &at).unwrap().to_value(), to.clone());
        let (old, new) = (file.clone(), text(&after));
        let node = before.at(0, &at).unwrap();
        let start = before.offset(node.line, node.column);
        let tail = old.len() - before.scalar(node).unwrap().end;
        prop_assert_eq!(&old[..start], &new[..start]);
        prop_assert_eq!(&old[old.len() - tail..], &new[new.len() - tail..]);

        let mut grown = before.clone();
        let holder = &at[..at.len() - 1];
        let name = format!("k{which}");
        grown.put(0, holder, ("added", &json!({"x": to, "y": [1]})), Some(&name)).unwrap();
        grown.remove(0, &[holder, &["added".into()]].concat()).unwrap();
        prop_assert_eq!(text(&grown), old);
    }
}
