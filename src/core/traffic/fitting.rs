//! Which Service a route reaches a component by.

use super::provider::{backends, unfit};
use super::twin::selects;
use crate::core::object::at;
use serde_json::Value;

/// The one Service among `rendered` that the route points at and that selects
/// pods of these labels.
///
/// # Errors
/// In words that follow the route's name: why there is none, or which one is
/// not clear.
pub fn fitting_service<'a>(
    route: &Value,
    rendered: &[&'a Value],
    labels: Option<&Value>,
) -> Result<&'a Value, String> {
    if let Some(why) = unfit(route) {
        return Err(why);
    }
    let named = backends(route);
    let text = |body: &'a Value, pointer: &str| {
        at(body, pointer).and_then(Value::as_str).unwrap_or_default()
    };
    let service = |body: &&&'a Value| {
        text(body, "/kind") == "Service"
            && text(body, "/apiVersion") == "v1"
            && named.contains(&text(body, "/metadata/name"))
    };
    let found: Vec<&'a Value> =
        rendered.iter().filter(service).copied().filter(|body| selects(body, labels)).collect();
    let list = |names: &[&str]| {
        if names.is_empty() { "no Service".to_owned() } else { names.join(", ") }
    };
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(format!(
            "has no backend that is a Service of the component in the same namespace; it points \
             at {}",
            list(&named)
        )),
        many => {
            let names: Vec<&str> = many.iter().map(|body| text(body, "/metadata/name")).collect();
            Err(format!(
                "points at several Services of the component ({}); one is supported",
                list(&names)
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(name: &str, app: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": app}},
        })
    }

    fn route(names: &[&str]) -> Value {
        let refs: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": refs}]},
        })
    }

    #[test]
    fn a_kind_that_nothing_here_knows_may_have_a_map_by_service() {
        let split = json!({
            "apiVersion": "split.example/v1", "kind": "Split",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"weights": {"web.shop.svc": 100}},
        });
        let (web, api) = (service("web", "web"), service("api", "api"));
        let labels = json!({"app": "web"});
        assert_eq!(fitting_service(&split, &[&web, &api], Some(&labels)), Ok(&web));
        let none = fitting_service(&split, &[&api], Some(&json!({"app": "api"})));
        assert!(none.is_err(), "{none:?}");
    }

    #[test]
    fn the_service_is_found_or_the_reason_told() {
        let (web, more, api) =
            (service("web", "web"), service("more", "web"), service("api", "api"));
        let rendered = [&web, &more, &api];
        let labels = json!({"app": "web"});
        let find = |names: &[&str]| fitting_service(&route(names), &rendered, Some(&labels));
        assert_eq!(find(&["api", "web"]), Ok(&web));
        assert!(find(&["api"]).unwrap_err().ends_with("points at api"));
        assert!(find(&[]).unwrap_err().ends_with("points at no Service"));
        assert!(find(&["web", "more"]).unwrap_err().contains("(web, more)"));
        let mut loose = route(&["web"]);
        loose["spec"]["parentRefs"] = json!([]);
        assert!(
            fitting_service(&loose, &rendered, Some(&labels)).unwrap_err().contains("parentRefs")
        );
    }
}
