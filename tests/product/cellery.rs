//! Cellery's update, blue-green and canary between instances, with the seed's
//! own applications and commands: a checkout is changed by a command, committed,
//! and applied.

use crate::stage::{Ran, Stage};
use crate::world::World;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const PET_BE: &str = include_str!("../../testdata/seeds/cellery/pet-be.yaml");
const PET_BE_V2: &str = include_str!("../../testdata/seeds/cellery/pet-be-v2.yaml");
const PET_FE: &str = include_str!("../../testdata/seeds/cellery/pet-fe.yaml");
const ROUTE: &str = include_str!("../../testdata/seeds/cellery/route.yaml");

/// The plan repository, and a checkout of it that commands change.
struct Shop {
    stage: Stage,
    checkout: PathBuf,
}

impl Shop {
    /// A checkout with these files, nothing of it committed.
    fn with(files: &[(&str, &str)]) -> Self {
        let stage = Stage::new();
        let checkout = stage.path().join("checkout");
        std::fs::create_dir(&checkout).unwrap();
        for (path, text) in files {
            std::fs::write(checkout.join(path), text).unwrap();
        }
        Self { stage, checkout }
    }

    /// The seed, applied: both instances run, and pet-fe is on the old one.
    fn at_rest() -> Self {
        let files = [
            ("pet-be.yaml", PET_BE),
            ("pet-be-v2.yaml", PET_BE_V2),
            ("pet-fe.yaml", PET_FE),
            ("route.yaml", ROUTE),
        ];
        let shop = Self::with(&files);
        shop.applied();
        shop
    }

    /// The program, in the checkout.
    fn says(&self, command: &str) -> Ran {
        let arguments: Vec<&str> = command.split(' ').collect();
        Ran::of(&self.stage.command_at(&self.checkout, &arguments).output().unwrap())
    }

    fn files(&self) -> BTreeMap<String, String> {
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        };
        std::fs::read_dir(&self.checkout).unwrap().map(read).collect()
    }

    fn put(&self, path: &str, text: &str) {
        std::fs::write(self.checkout.join(path), text).unwrap();
    }

    /// Commits the checkout as it is.
    fn commits(&self) {
        let files = self.files();
        let pairs: Vec<(&str, &str)> =
            files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
        self.stage.commit(&pairs);
        for gone in ["pet-be.yaml", "pet-be-v2.yaml"] {
            let repository = self.stage.repository();
            let plan = repository.find_reference("refs/heads/main").unwrap();
            let there = plan.peel_to_tree().unwrap().get_name(gone).is_some();
            if there && !files.contains_key(gone) {
                self.stage.remove(gone);
            }
        }
    }

    fn applied(&self) {
        self.commits();
        self.stage.apply_wait().ends(0);
    }

    fn world(&self) -> World {
        self.stage.world()
    }
}

/// What a client's VirtualService sends where, for requests of no known user.
fn sends(world: &World, client: &str) -> BTreeMap<String, u64> {
    let Some(route) = world.get("VirtualService", &format!("{client}--pet-be")) else {
        return BTreeMap::new();
    };
    let last = route["spec"]["http"].as_array().unwrap().last().unwrap().clone();
    let one = |one: &Value| {
        let host = one["destination"]["host"].as_str().unwrap().to_owned();
        (host, one["weight"].as_u64().unwrap_or(100))
    };
    last["route"].as_array().unwrap().iter().map(one).collect()
}

fn shares(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(name, share)| (format!("{name}--gateway"), *share)).collect()
}

/// The pods of an application by their component, each with its uid.
fn uids(world: &World, component: &dyn Fn(&str) -> bool) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |(_, pod): (&str, &Value)| {
        if pod["metadata"].get("deletionTimestamp").is_some() {
            return None;
        }
        let name = text(&pod["metadata"]["labels"]["app.oam.dev/component"]);
        component(&name).then(|| (name, text(&pod["metadata"]["uid"])))
    };
    world.of_kind("Pod").filter_map(of).collect()
}

/// The components whose pods a Service selects.
fn behind(world: &World, service: &str) -> BTreeSet<String> {
    selected(world, service, |_| true)
}

/// The same, of pods that are ready and stay.
fn serving(world: &World, service: &str) -> BTreeSet<String> {
    selected(world, service, |pod| {
        let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
        ready && pod["metadata"].get("deletionTimestamp").is_none()
    })
}

fn selected(world: &World, service: &str, counts: fn(&Value) -> bool) -> BTreeSet<String> {
    let service = world.get("Service", service).unwrap_or_else(|| panic!("no {service}"));
    let selector = service["spec"]["selector"].as_object().unwrap().clone();
    let labels = |pod: &Value| pod["metadata"]["labels"].clone();
    let fits = |pod: &Value| selector.iter().all(|(k, v)| labels(pod)[k] == *v);
    let name = |pod: &Value| labels(pod)["app.oam.dev/component"].as_str().unwrap().to_owned();
    let pods = world.of_kind("Pod").filter(|(_, pod)| fits(pod) && counts(pod));
    pods.map(|(_, pod)| name(pod)).collect()
}

#[test]
fn s4_patch_updates_one_component_in_place_and_touches_no_other_pod() {
    let shop = Shop::with(&[("pet-be.yaml", PET_BE)]);
    shop.applied();
    let others = |name: &str| name != "pet-be--controller";
    let before = uids(&shop.world(), &others);
    assert_eq!(before.len(), 8, "two pods of each of the other four");
    let file = shop.checkout.join("pet-be.yaml");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let ran =
        shop.says("patch pet-be controller --container-image mycontainerorg/hello:1.0.1").ends(0);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(shop.files().len(), 1, "nothing lies beside it");
    let ran = ran.says("-      image: mycontainerorg/hello:1.0.0");
    ran.says("+      image: mycontainerorg/hello:1.0.1").says("git commit");
    let expected = PET_BE.replace("mycontainerorg/hello:1.0.0", "mycontainerorg/hello:1.0.1");
    assert_eq!(shop.files()["pet-be.yaml"], expected);
    shop.applied();
    let world = shop.world();
    assert_eq!(uids(&world, &others), before);
    let images = world.of_kind("Pod").filter(|(name, _)| name.starts_with("pet-be--controller"));
    let images: Vec<&Value> =
        images.map(|(_, pod)| &pod["spec"]["containers"][0]["image"]).collect();
    assert_eq!(images, [&json!("mycontainerorg/hello:1.0.1"); 2]);
    shop.says("patch pet-be controler -i x:1").ends(64).says("did you mean pet-be--controller?");
    shop.says("patch pet-be controller -i x:1 -n side").ends(64).says("has no container \"side\"");
    shop.says("patch pet-be controller -i x:1 -e A").ends(64).says("KEY=VALUE");
    shop.says("patch pet-be controller").ends(64).says("--container-image");
    assert_eq!(shop.files()["pet-be.yaml"], expected);
}

#[test]
fn s4_route_by_halves_then_all_then_the_old_instance_goes() {
    let shop = Shop::at_rest();
    assert_eq!(sends(&shop.world(), "pet-fe"), shares(&[("pet-be", 100)]));
    shop.says("route-traffic -d pet-be -t pet-be-v2 -p 50").ends(0).says("+      percent: 50");
    shop.stage.run(&["plan", "--detailed-exitcode"]).ends(0);
    shop.commits();
    let plan = shop.stage.run(&["plan", "--detailed-exitcode"]).ends(2);
    plan.says("VirtualService/default/pet-fe--pet-be").says("weight: 50");
    shop.stage.apply_wait().ends(0);
    assert_eq!(sends(&shop.world(), "pet-fe"), shares(&[("pet-be", 50), ("pet-be-v2", 50)]));
    let tip = shop.stage.tip();
    shop.stage.apply_wait().ends(0);
    assert_eq!(shop.stage.tip(), tip, "nothing is left to do");

    shop.says("retire pet-be").ends(77).says("client pet-fe (50% of its requests)");
    assert!(shop.files().contains_key("pet-be.yaml"));
    shop.says("route -d pet-be -t pet-be-v2 -p 0").ends(0);
    assert_eq!(shop.files()["route.yaml"], ROUTE);
    for wrong in ["-1", "101", "x"] {
        shop.says(&format!("route -d pet-be -t pet-be-v2 -p {wrong}")).ends(64);
    }
    shop.says("route -s pet-be -d pet-be -t pet-be-v2").ends(64).says("\"pet-be\" is no client");
    assert_eq!(shop.files()["route.yaml"], ROUTE);

    shop.says("route-traffic -d pet-be -t pet-be-v2").ends(0).says("alias: pet-be-v2");
    shop.applied();
    let world = shop.world();
    assert_eq!(sends(&world, "pet-fe"), shares(&[("pet-be-v2", 100)]));
    assert_eq!(behind(&world, "pet-be--gateway").len(), 1, "both instances still run");

    shop.says("terminate pet-be").ends(0).says("pet-be.yaml: deleted").says("--allow-prune");
    shop.commits();
    shop.stage
        .run(&["plan", "--allow-prune"])
        .ends(0)
        .says("delete Deployment/default/pet-be--controller");
    shop.stage.run(&["apply", "--allow-prune", "--wait", "10m"]).ends(0);
    let world = shop.world();
    assert!(uids(&world, &|name| name.starts_with("pet-be--")).is_empty());
    let alias: Vec<String> = behind(&world, "pet-be--gateway").into_iter().collect();
    assert_eq!(alias, ["pet-be-v2--gateway"], "the client's host still leads somewhere");
    let services = world.of_kind("Service").map(|(name, _)| name.to_owned());
    let left: Vec<String> = services.filter(|name| name.starts_with("pet-be--")).collect();
    assert_eq!(left, ["pet-be--gateway"]);
    shop.stage.run(&["plan", "--detailed-exitcode"]).ends(0);
    let told = shop.stage.run(&["status"]).ends(0);
    // The host's Service is the Route's by now.
    told.says("default/pet-be on sandbox: Route pet-be (").says("nothing of it is left");
    shop.stage.record_is_whole();
}

#[test]
fn s4_e_a_chain_of_three_with_two_retired_still_serves_the_host() {
    let shop = Shop::at_rest();
    let third = PET_BE_V2.replace("pet-be-v2", "pet-be-v3").replace(":2.0.0", ":3.0.0");
    shop.says("route -d pet-be -t pet-be-v2").ends(0);
    shop.says("retire pet-be").ends(0);
    shop.commits();
    shop.stage.run(&["apply", "--allow-prune", "--wait", "10m"]).ends(0);
    shop.put("pet-be-v3.yaml", &third);
    let entry = "  - name: pet-be-v3\n    service: pet-be-v3--gateway\n    apis:\n    - {context: \
                 /pets, version: v1.2}\n  clients:\n";
    shop.put("route.yaml", &shop.files()["route.yaml"].replace("  clients:\n", entry));
    shop.applied();
    shop.says("route -d pet-be-v2 -t pet-be-v3").ends(0);
    shop.says("retire pet-be-v2").ends(0);
    shop.commits();
    shop.stage.run(&["apply", "--allow-prune", "--wait", "10m"]).ends(0);
    let world = shop.world();
    assert_eq!(sends(&world, "pet-fe"), shares(&[("pet-be-v3", 100)]));
    let alias: Vec<String> = behind(&world, "pet-be--gateway").into_iter().collect();
    assert_eq!(alias, ["pet-be-v3--gateway"]);
    let deployments = world.of_kind("Deployment").map(|(name, _)| name.to_owned());
    let old =
        deployments.filter(|name| name.starts_with("pet-be--") || name.starts_with("pet-be-v2"));
    assert_eq!(old.collect::<Vec<_>>(), Vec::<String>::new());
    shop.stage.run(&["plan", "--detailed-exitcode"]).ends(0);
    for world in shop.stage.history() {
        let led = sends(&world, "pet-fe");
        if led.is_empty() {
            // The client has no route yet.
            continue;
        }
        assert!(world.get("Service", "pet-be--gateway").is_some(), "the host was gone for a while");
        for instance in led.keys() {
            assert!(!serving(&world, instance).is_empty(), "{instance} serves nothing");
        }
    }
    shop.stage.record_is_whole();
}

#[test]
fn s4_all_at_once_in_one_commit_goes_in_the_right_order() {
    let shop = Shop::at_rest();
    shop.says("route -d pet-be -t pet-be-v2").ends(0);
    shop.says("retire pet-be").ends(0);
    shop.commits();
    shop.stage.run(&["apply", "--allow-prune", "--wait", "10m"]).ends(0);
    let history = shop.stage.history();
    let mut gone = false;
    for world in &history {
        let old = world.get("Deployment", "pet-be--gateway").is_some();
        let led = sends(world, "pet-fe").contains_key("pet-be--gateway");
        assert!(old || !led, "requests are led to what is deleted");
        gone |= !old && !sends(world, "pet-fe").is_empty();
    }
    assert!(gone, "it is deleted in the end");
    assert_eq!(sends(&shop.world(), "pet-fe"), shares(&[("pet-be-v2", 100)]));
    shop.stage.record_is_whole();
}

#[test]
fn s4_no_share_is_written_before_the_instance_serves() {
    let shop = Shop::at_rest();
    let never = "  - name: pet-be-v2--gateway\n    type: webservice\n    properties:\n      annotations: \
                 {sandbox.tranche.dev/ready: never}\n";
    let at = "  - name: pet-be-v2--gateway\n    type: webservice\n    properties:\n";
    let broken = PET_BE_V2.replace(at, never).replace("pet-be-v2", "pet-be-v3");
    shop.put("pet-be-v3.yaml", &broken);
    let entry = "  - {name: pet-be-v3, service: pet-be-v3--gateway, apis: [{context: /pets, version: \
                 v1}]}\n  clients:\n";
    shop.put("route.yaml", &ROUTE.replace("  clients:\n", entry));
    shop.says("route -d pet-be -t pet-be-v3 -p 10").ends(0);
    shop.commits();
    shop.stage.apply().ends(3).says("pet-be-v3--gateway: 0 of 1 endpoints ready");
    shop.stage.apply();
    assert_eq!(sends(&shop.world(), "pet-fe"), shares(&[("pet-be", 100)]));
    let mended = PET_BE_V2.replace("pet-be-v2", "pet-be-v3");
    shop.put("pet-be-v3.yaml", &mended);
    shop.applied();
    assert_eq!(sends(&shop.world(), "pet-fe"), shares(&[("pet-be", 90), ("pet-be-v3", 10)]));
}

#[test]
fn s4_f_a_mismatch_writes_nothing_until_the_plan_acknowledges_it() {
    let shop = Shop::at_rest();
    let at = ROUTE.rfind("version: v1").unwrap();
    let second = format!("{}version: v2{}", &ROUTE[..at], &ROUTE[at + 11..]);
    shop.put("route.yaml", &second);
    shop.applied();
    let tip = shop.stage.tip();
    let refused = shop.says("route-traffic -d pet-be -t pet-be-v2 -p 50").ends(65);
    refused.says("pet-be serves /pets at v1, but pet-be-v2 at v2").says("spec.acknowledge");
    assert_eq!(shop.files()["route.yaml"], second);
    // The same by hand is refused as the plan is loaded.
    let next = "    to: pet-be\n    next: {instance: pet-be-v2, percent: 50}\n";
    shop.put("route.yaml", &second.replace("    to: pet-be\n", next));
    shop.commits();
    shop.stage.apply_wait().ends(65).says("route.yaml:22:22").says("pet-be-v2 at v2");
    assert_eq!(shop.stage.tip(), tip, "nothing was published");
    assert_eq!(sends(&shop.world(), "pet-fe"), shares(&[("pet-be", 100)]));
    shop.put("route.yaml", &second);
    shop.says("route-traffic -d pet-be -t pet-be-v2 -p 50 --assume-yes").ends(0).says("accepted: ");
    shop.applied();
    assert_eq!(sends(&shop.world(), "pet-fe"), shares(&[("pet-be", 50), ("pet-be-v2", 50)]));
}

#[test]
fn s4_only_one_client_and_its_users_by_their_buckets() {
    let shop = Shop::at_rest();
    shop.put("pet-shop.yaml", &PET_FE.replace("pet-fe", "pet-shop"));
    shop.put("route.yaml", &format!("{ROUTE}  - name: pet-shop\n    to: pet-be\n"));
    shop.says("route-traffic -s pet-fe -d pet-be -t pet-be-v2 -p 50 --enable-session-awareness")
        .ends(0);
    shop.applied();
    let world = shop.world();
    assert_eq!(sends(&world, "pet-shop"), shares(&[("pet-be", 100)]));
    assert_eq!(sends(&world, "pet-fe"), shares(&[("pet-be", 50), ("pet-be-v2", 50)]));
    let status = shop.stage.run(&["status", "pet-be"]).ends(0);
    status.says(
        "  clients\n    pet-fe: pet-be 50%, pet-be-v2 50%, users by x-instance-id\n    pet-shop: \
                 pet-be\n",
    );
    let rules = &world.get("VirtualService", "pet-fe--pet-be").unwrap()["spec"]["http"];
    let rule = |i: usize| {
        let rule = &rules[i];
        let header = &rule["match"][0]["headers"]["x-instance-id"]["regex"];
        let source = &rule["match"][0]["sourceLabels"];
        assert_eq!(*source, json!({"app.oam.dev/name": "pet-fe"}));
        (header.clone(), rule["route"][0]["destination"]["host"].clone())
    };
    assert_eq!(rule(0), (json!("[0-4][0-9]"), json!("pet-be-v2--gateway")));
    assert_eq!(rule(1), (json!("[5-9][0-9]"), json!("pet-be--gateway")));
    assert_eq!(rules.as_array().unwrap().len(), 3);
    let pods = world
        .of_kind("Pod")
        .filter(|(_, pod)| pod["metadata"]["labels"]["app.oam.dev/name"] == "pet-fe");
    assert_eq!(pods.count(), 4, "the label that tells a client's requests is on its pods");
}

/// A Route's objects are in no rendering of an application: its inventory tells what
/// goes with it.
#[test]
fn a_route_is_known_again_by_a_rebuilt_record_and_goes_with_its_document() {
    let shop = Shop::at_rest();
    let routes = |world: &World| world.of_kind("VirtualService").count();
    let before = routes(&shop.stage.world());
    assert!(before > 0);
    shop.stage.delete_record();
    shop.stage.run(&["record", "rebuild", "--write"]).ends(0).says("route default/");
    let tip = shop.stage.tip();
    shop.stage.apply_wait().ends(0);
    assert_eq!(shop.stage.tip(), tip, "idle");
    shop.stage.remove("route.yaml");
    shop.stage.run(&["apply", "--wait", "10m", "--allow-prune"]).ends(0);
    assert_eq!(routes(&shop.stage.world()), 0, "pruned");
}

#[test]
fn s4_what_a_flag_says_counts_or_is_refused() {
    let shop = Shop::at_rest();
    let route = "route -d pet-be -t pet-be-v2 -p 5";
    shop.says(&format!("{route} --session-header x-user"))
        .ends(64)
        .says("--enable-session-awareness");
    shop.says(&format!("{route} -a --session-header a:b")).ends(64).says("no name of a header");
    shop.says(&format!("{route} -s pet-fe,")).ends(64).says("a name is missing beside a comma");
    assert_eq!(shop.files()["route.yaml"], ROUTE);
    shop.says(&format!("{route} -a --session-header X-User")).ends(0).says("+      sticky: x-user");
    shop.put("route.yaml", ROUTE);
    shop.says("route -d default/pet-be -t pet-be-v2").ends(0).says("alias: pet-be-v2");
    shop.says("terminate pet-be pet-fe").ends(77).says("pet-fe is the only client of Route pet-be");
    assert!(shop.files().contains_key("pet-be.yaml"), "all of them or none");
    let bare = shop.stage.path().join("plan.git");
    let mut command = shop.stage.command_at(&bare, &["retire", "pet-be"]);
    let bare = Ran::of(&command.output().unwrap()).ends(64);
    bare.says("next: point --repo at a checkout of the plan");
}

#[test]
fn s4_a_sandbox_has_the_namespace_of_its_target() {
    let project = "apiVersion: tranche.dev/v1alpha1\nkind: Project\nspec:\n  targets:\n  - {name: \
                   sandbox, cluster: {sandbox: {}}, namespace: pets}\n";
    let shop = Shop::with(&[("tranche.yaml", project), ("pet-fe.yaml", PET_FE)]);
    shop.applied();
    shop.stage.run(&["status"]).ends(0).says("pets/pet-fe on sandbox");
    shop.put("other.yaml", &PET_FE.replace("name: pet-fe\n", "name: other\n  namespace: far\n"));
    shop.commits();
    let ran = shop.stage.apply_wait().ends(1).says("namespaces \"far\" not found");
    ran.says("next: make the namespace first");
}
