//! Items of one list that are told apart by their keys and have one name all
//! the same: servers refuse that of ports. Owns finding them; whose they are is
//! no business of this module.

use super::KindRef;
use super::fields::{Step, item_step};
use super::schema::{ListKind, Node, shape_of};
use serde_json::Value;
use std::collections::BTreeMap;

/// Items of one list with one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twins {
    /// The list.
    pub list: Vec<Step>,
    /// What they are called.
    pub name: String,
    /// The items, in the list's order; two or more.
    pub items: Vec<Step>,
}

/// All of an object's, in order.
#[must_use]
pub fn twins(kind: &KindRef, object: &Value) -> Vec<Twins> {
    let mut found = Vec::new();
    look(shape_of(kind), object, &mut Vec::new(), &mut found);
    found
}

fn look(node: &Node, value: &Value, path: &mut Vec<Step>, found: &mut Vec<Twins>) {
    match (value, node) {
        (Value::Object(map), _) => {
            for (name, value) in map {
                path.push(Step::field(name));
                look(node.field(name).0, value, path, found);
                path.pop();
            }
        }
        (Value::Array(items), Node::List { of, kind: kind @ ListKind::Map(keys) }) => {
            let named = keys.iter().any(|key| key.name == "name");
            let mut by_name: BTreeMap<&str, Vec<Step>> = BTreeMap::new();
            for item in items {
                let step = item_step(kind, item);
                if let Some(name) = item.get("name").and_then(Value::as_str).filter(|_| !named) {
                    by_name.entry(name).or_default().push(step.clone());
                }
                path.push(step);
                look(of, item, path, found);
                path.pop();
            }
            let several = by_name.into_iter().filter(|(_, items)| items.len() > 1);
            found.extend(several.map(|(name, items)| Twins {
                list: path.clone(),
                name: name.to_owned(),
                items,
            }));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::object::path_text;
    use serde_json::json;

    #[test]
    fn ports_of_one_name_are_found_and_what_is_keyed_by_its_name_is_not_looked_at() {
        let service = json!({"spec": {"ports": [{"name": "http", "port": 80},
            {"name": "http", "port": 81}, {"name": "dns", "port": 53}]}});
        let found = twins(&KindRef::new("v1", "Service"), &service);
        let ports = &found[0];
        assert_eq!((path_text(&ports.list).as_str(), ports.name.as_str()), (".spec.ports", "http"));
        assert_eq!((found.len(), ports.items.len()), (1, 2));
        let pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "a"}]}});
        assert_eq!(twins(&KindRef::new("v1", "Pod"), &pod), []);
    }
}
