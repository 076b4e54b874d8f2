//! Routes as a proxy of one client follows them.

use super::*;
use crate::core::model::{Api, Next, Place};
use crate::core::traffic::bucket;

fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app.oam.dev/component": name},
            "ports": [{"name": "port-80", "port": 80, "targetPort": 80, "nodePort": 30_080}]},
    })
}

fn instance(name: &str) -> Instance {
    let apis = vec![Api { context: "/pets".to_owned(), version: "v1".to_owned() }];
    Instance { name: name.to_owned(), service: format!("{name}--gateway"), apis }
}

fn client(name: &str, to: &str, next: Option<(&str, u8, bool)>) -> Client {
    let next = next.map(|(instance, percent, sticky)| Next {
        instance: instance.to_owned(),
        percent,
        sticky: sticky.then(|| "x-instance-id".to_owned()),
    });
    Client { name: name.to_owned(), to: to.to_owned(), next }
}

fn route(instances: &[&str], clients: &[Client]) -> HostRoute {
    HostRoute {
        namespace: None,
        name: "pet-be".to_owned(),
        host: "pet-be--gateway".to_owned(),
        port: None,
        instances: instances.iter().map(|name| instance(name)).collect(),
        clients: clients.to_vec(),
        acknowledged: Vec::new(),
        alias: None,
        drain_seconds: 5,
        place: Place::default(),
    }
}

/// A Route over the Services of these instances alone.
fn made(route: &HostRoute, there: &[&str]) -> Result<Edges, Vec<String>> {
    let all: Vec<(String, Value)> = there
        .iter()
        .map(|name| format!("{name}--gateway"))
        .map(|n| (n.clone(), service(&n)))
        .collect();
    let find = |name: &str| all.iter().find(|(known, _)| known == name).map(|(_, body)| body);
    edges(route, "default", &find)
}

fn body<'e>(edges: &'e Edges, kind: &str, name: &str) -> Option<&'e Value> {
    edges.objects.iter().find(|(o, _)| o.kind == kind && o.name == name).map(|(_, b)| &**b)
}

/// What a client's proxy does with a request: the destinations of the first rule
/// that takes it, with their shares.
fn followed(edges: &Edges, client: &str, user: Option<&str>) -> Vec<(String, u64)> {
    let rules = body(edges, "VirtualService", &format!("{client}--pet-be")).unwrap();
    assert_eq!(rules["spec"]["gateways"], json!(["mesh"]));
    for rule in rules["spec"]["http"].as_array().unwrap() {
        // A rule for everybody would be every sidecar's.
        assert_eq!(rule["match"].as_array().unwrap().len(), 1);
        assert_eq!(rule["match"][0]["sourceLabels"], json!({"app.oam.dev/name": client}));
    }
    let takes = |rule: &&Value| {
        rule["match"].as_array().unwrap().iter().any(|matched| {
            let from = matched["sourceLabels"]["app.oam.dev/name"] == client;
            let header = &matched["headers"]["x-instance-id"]["regex"];
            from && header.as_str().is_none_or(|regex| {
                let regex = regex::Regex::new(&format!("^(?:{regex})$")).unwrap();
                user.is_some_and(|user| regex.is_match(user))
            })
        })
    };
    let rule = rules["spec"]["http"].as_array().unwrap().iter().find(takes).expect("a rule");
    let all = rule["route"].as_array().unwrap();
    if let [only] = all.as_slice() {
        assert!(only.get("weight").is_none());
    }
    let one = |one: &Value| {
        let host = one["destination"]["host"].as_str().unwrap().to_owned();
        (host, one["weight"].as_u64().unwrap_or(100))
    };
    all.iter().map(one).collect()
}

fn to(shares: &[(&str, u64)]) -> Vec<(String, u64)> {
    shares.iter().map(|(name, share)| (format!("{name}--gateway"), *share)).collect()
}

const BOTH: [&str; 2] = ["pet-be", "pet-be-v2"];

#[test]
fn s4_a_b_c_each_client_has_rules_of_its_own() {
    let half = Some(("pet-be-v2", 40, false));
    let clients = [client("pet-fe", "pet-be", half), client("shop", "pet-be", None)];
    let edges = made(&route(&BOTH, &clients), &BOTH).unwrap();
    assert_eq!(followed(&edges, "pet-fe", None), to(&[("pet-be", 60), ("pet-be-v2", 40)]));
    assert_eq!(followed(&edges, "shop", None), to(&[("pet-be", 100)]));
    assert_eq!(edges.objects.len(), 2, "one object for each, and the host is rendered");
    for (_, body) in &edges.objects {
        assert_eq!(body["spec"]["hosts"], json!(["pet-be--gateway"]), "the name never changes");
    }
}

#[test]
fn s4_d_i_all_or_nothing_is_a_single_route() {
    for (percent, whole) in [(0, "pet-be"), (100, "pet-be-v2")] {
        for sticky in [false, true] {
            let next = Some(("pet-be-v2", percent, sticky));
            let edges = made(&route(&BOTH, &[client("pet-fe", "pet-be", next)]), &BOTH).unwrap();
            assert_eq!(followed(&edges, "pet-fe", Some("07")), to(&[(whole, 100)]));
            let rules = body(&edges, "VirtualService", "pet-fe--pet-be").unwrap();
            assert_eq!(rules["spec"]["http"].as_array().unwrap().len(), 1);
        }
    }
}

#[test]
fn s4_sticky_users_are_the_share_and_nobody_goes_back_while_it_grows() {
    let users: Vec<String> = (0..2_000).map(|user| bucket(&format!("user-{user}"))).collect();
    let mut before = vec![false; users.len()];
    for percent in 1..100_u8 {
        let next = Some(("pet-be-v2", percent, true));
        let edges = made(&route(&BOTH, &[client("pet-fe", "pet-be", next)]), &BOTH).unwrap();
        let new =
            |user: &String| followed(&edges, "pet-fe", Some(user)) == to(&[("pet-be-v2", 100)]);
        let now: Vec<bool> = users.iter().map(new).collect();
        assert!(before.iter().zip(&now).all(|(before, now)| *now || !before), "at {percent}%");
        let share = now.iter().filter(|new| **new).count();
        assert!(share.abs_diff(usize::from(percent) * 20) < 80, "{share} of 2000 at {percent}%");
        let weights = to(&[("pet-be", u64::from(100 - percent)), ("pet-be-v2", percent.into())]);
        assert_eq!(followed(&edges, "pet-fe", None), weights, "who has no bucket");
        assert_eq!(followed(&edges, "pet-fe", Some("100")), weights, "what is none");
        let exactly = (0..100).filter(|bucket| new(&format!("{bucket:02}"))).count();
        assert_eq!(exactly, usize::from(percent));
        before = now;
    }
}

#[test]
fn s4_e_the_host_is_an_alias_once_nobody_renders_it() {
    let three = ["pet-be-v2", "pet-be-v3"];
    let clients = [client("pet-fe", "pet-be-v3", None)];
    let edges = made(&route(&["pet-be-v3"], &clients), &["pet-be-v3"]).unwrap();
    let alias = body(&edges, "Service", "pet-be--gateway").unwrap();
    assert_eq!(alias["spec"]["selector"], json!({"app.oam.dev/component": "pet-be-v3--gateway"}));
    assert_eq!(alias["spec"]["ports"], json!([{"name": "port-80", "port": 80, "targetPort": 80}]));
    assert_eq!(followed(&edges, "pet-fe", None), to(&[("pet-be-v3", 100)]));
    let stands_on: Vec<&str> =
        edges.around.values().flat_map(|a| &a.stands_on).map(|s| s.name.as_str()).collect();
    assert_eq!(stands_on, ["pet-be-v3--gateway", "pet-be-v3--gateway"], "capacity for both");
    let apart = [client("pet-fe", "pet-be-v3", None), client("shop", "pet-be-v2", None)];
    let mut torn = route(&three, &apart);
    let error = made(&torn, &three).unwrap_err().join("\n");
    assert!(error.contains("say with `alias`"), "{error}");
    torn.alias = Some("pet-be-v2".to_owned());
    let edges = made(&torn, &three).unwrap();
    let alias = body(&edges, "Service", "pet-be--gateway").unwrap();
    assert_eq!(alias["spec"]["selector"]["app.oam.dev/component"], "pet-be-v2--gateway");
}

#[test]
fn capacity_stands_before_a_share_and_what_is_left_is_drained() {
    let next = Some(("pet-be-v2", 50, false));
    let both = made(&route(&BOTH, &[client("pet-fe", "pet-be", next)]), &BOTH).unwrap();
    let around = both.around.values().next().unwrap();
    let names: Vec<&str> = around.stands_on.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["pet-be--gateway", "pet-be-v2--gateway"]);
    assert!(around.leaves.is_empty());
    let all = made(&route(&BOTH, &[client("pet-fe", "pet-be-v2", None)]), &BOTH).unwrap();
    let around = all.around.values().next().unwrap();
    assert_eq!(around.leaves, ["pet-be--gateway"]);
}

#[test]
fn s4_m_what_a_service_cannot_bear_is_told_by_its_name() {
    let one = route(&["pet-be"], &[client("pet-fe", "pet-be", None)]);
    let told = |change: &dyn Fn(&mut Value), port: Option<u16>| {
        let mut body = service("pet-be--gateway");
        change(&mut body);
        let route = HostRoute { port, ..one.clone() };
        let find = |name: &str| (name == "pet-be--gateway").then_some(&body);
        edges(&route, "default", &find).err().map(|wrong| wrong.join("\n")).unwrap_or_default()
    };
    assert_eq!(told(&|_| {}, None), "");
    assert_eq!(told(&|_| {}, Some(80)), "");
    let ports = |value: Value| move |body: &mut Value| body["spec"]["ports"] = value.clone();
    let tcp = told(&ports(json!([{"name": "tcp-db", "port": 80}])), None);
    assert!(tcp.contains("Service pet-be--gateway speaks tcp, no HTTP"), "{tcp}");
    let app = told(&ports(json!([{"name": "http", "port": 80, "appProtocol": "redis"}])), None);
    assert!(app.contains("speaks redis"), "{app}");
    let two = json!([{"name": "a", "port": 80}, {"name": "tcp-b", "port": 90}]);
    assert!(told(&ports(two.clone()), None).contains("say with `port`"));
    assert_eq!(told(&ports(two.clone()), Some(80)), "");
    let none = told(&ports(two), Some(8080));
    assert!(none.contains("has no port 8080, which clients call; it has 80, 90"), "{none}");
    let gone = made(&one, &[]).unwrap_err().join("\n");
    assert!(gone.contains("which nothing in this plan renders"), "{gone}");
}
