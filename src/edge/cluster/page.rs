//! One page of a list, item by item. Owns that no more than one item of it is
//! a value at a time; what is done with an item is the caller's.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// What a page says besides its items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// It has a list of items, of any length.
    pub(super) has_items: bool,
    /// What to ask for the next page with; empty at the last.
    pub(super) next: String,
}

type Look<'l> = &'l mut dyn FnMut(Value);

/// Reads a page. Items are shown as they come, also where the page turns out
/// to be broken further on: whoever looks drops them then.
///
/// # Errors
/// Fails if it is no JSON object.
pub(super) fn read_page(body: &[u8], look: Look<'_>) -> Result<Page, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let page = Whole(look).deserialize(&mut reader)?;
    reader.end()?;
    Ok(page)
}

struct Whole<'l>(Look<'l>);

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = Page;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Page, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Page;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page, A::Error> {
        let mut page = Page::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "items" if page.has_items => return Err(A::Error::duplicate_field("items")),
                "items" => {
                    map.next_value_seed(Items(&mut *self.0))?;
                    page.has_items = true;
                }
                "metadata" => {
                    let metadata: Value = map.next_value()?;
                    let next = metadata.get("continue").and_then(Value::as_str);
                    page.next = next.unwrap_or_default().to_owned();
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(page)
    }
}

struct Items<'l>(Look<'l>);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("items")
    }

    /// No items at all, as some extension servers write it.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            (self.0)(item);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> (Option<Page>, Vec<Value>) {
        let mut items = Vec::new();
        let page = read_page(text.as_bytes(), &mut |item| items.push(item)).ok();
        (page, items)
    }

    #[test]
    fn items_come_one_by_one_wherever_they_stand() {
        let text = r#"{"items":[{"a":1},{"b":[2]}],"kind":"List","metadata":{"continue":"x"}}"#;
        let page = Page { has_items: true, next: "x".to_owned() };
        assert_eq!(read(text), (Some(page), vec![json!({"a": 1}), json!({"b": [2]})]));
        let last = Page { has_items: true, next: String::new() };
        for text in [r#"{"metadata":{},"items":[]}"#, r#"{"items":null}"#] {
            assert_eq!(read(text), (Some(last.clone()), Vec::new()), "{text}");
        }
    }

    #[test]
    fn what_is_cut_or_no_list_is_no_page() {
        for text in ["", "[]", r#"{"items":[{"a":1}"#, r#"{"items":{}}"#, r#"{"items":[]}x"#] {
            assert_eq!(read(text).0, None, "{text}");
        }
        assert_eq!(read(r#"{"items":[1],"items":[2]}"#).0, None, "which of them?");
        assert_eq!(read("{}").0, Some(Page::default()));
    }
}
