//! Cellery's commands on the seed's files: what they change in them, and what
//! they refuse.

use super::*;
use crate::core::model::Next;

const PET_BE: &str = include_str!("../../../testdata/seeds/cellery/pet-be.yaml");
const PET_BE_V2: &str = include_str!("../../../testdata/seeds/cellery/pet-be-v2.yaml");
const PET_FE: &str = include_str!("../../../testdata/seeds/cellery/pet-fe.yaml");
const ROUTE: &str = include_str!("../../../testdata/seeds/cellery/route.yaml");

fn files(route: &str) -> Vec<PlanFile> {
    let shop = PET_FE.replace("pet-fe", "pet-shop");
    let all = [
        ("pet-be.yaml", PET_BE),
        ("pet-be-v2.yaml", PET_BE_V2),
        ("pet-fe.yaml", PET_FE),
        ("pet-shop.yaml", &shop),
        ("route.yaml", route),
    ];
    let file = |(path, text): (&str, &str)| PlanFile {
        path: path.to_owned(),
        bytes: text.as_bytes().to_vec(),
    };
    all.into_iter().map(file).collect()
}

/// The Route with a second client.
fn two() -> String {
    format!("{ROUTE}  - name: pet-shop   # sells\n    to: pet-be\n")
}

fn wanted(percent: u8) -> Reroute {
    Reroute {
        dependency: "pet-be".to_owned(),
        target: "pet-be-v2".to_owned(),
        sources: Vec::new(),
        percent,
        sticky: None,
        acknowledge: false,
    }
}

fn reroute_of(route: &str, wanted: &Reroute) -> Result<Amended, Unamended> {
    let files = files(route);
    reroute(Amending::of(&files).unwrap_or_else(|e| panic!("{e:?}")), wanted)
}

/// The one file that changed, as text.
fn changed(amended: &Amended, path: &str) -> String {
    let [(file, Some(bytes))] = amended.changed.as_slice() else { panic!("{amended:?}") };
    assert_eq!(file, path);
    String::from_utf8(bytes.clone()).unwrap()
}

fn clients(amended: &Amended) -> Vec<(String, String, Option<Next>)> {
    let plan = dialect::load(amended.files.clone()).unwrap();
    plan.routes[0].clients.iter().map(|c| (c.name.clone(), c.to.clone(), c.next.clone())).collect()
}

#[test]
fn s4_a_one_client_and_half_of_its_requests() {
    let one = Reroute { sources: vec!["pet-fe".to_owned()], ..wanted(50) };
    let amended = reroute_of(&two(), &one).unwrap();
    let next = "    to: pet-be\n    next:\n      instance: pet-be-v2\n      percent: 50\n  - name: pet-shop";
    assert_eq!(
        changed(&amended, "route.yaml"),
        two().replace("    to: pet-be\n  - name: pet-shop", next)
    );
    assert_eq!(clients(&amended)[1].2, None);
}

#[test]
fn s4_b_c_without_sources_all_clients_are_led() {
    let amended = reroute_of(&two(), &wanted(50)).unwrap();
    let half = Some(Next { instance: "pet-be-v2".to_owned(), percent: 50, sticky: None });
    let all: Vec<_> = clients(&amended).into_iter().map(|(_, to, next)| (to, next)).collect();
    assert_eq!(all, [("pet-be".to_owned(), half.clone()), ("pet-be".to_owned(), half)]);
}

#[test]
fn s4_d_all_of_it_moves_the_dependency_and_records_the_alias() {
    let half = changed(&reroute_of(ROUTE, &wanted(50)).unwrap(), "route.yaml");
    for from in [ROUTE.to_owned(), half] {
        let amended = reroute_of(&from, &wanted(100)).unwrap();
        let expected = ROUTE
            .replace("    to: pet-be\n", "    to: pet-be-v2\n")
            .replace("and no other\n", "and no other\n  alias: pet-be-v2\n");
        assert_eq!(changed(&amended, "route.yaml"), expected);
    }
    let one = Reroute { sources: vec!["pet-fe".to_owned()], ..wanted(100) };
    let amended = reroute_of(&two(), &one).unwrap();
    assert!(!changed(&amended, "route.yaml").contains("alias"), "pet-shop still calls pet-be");
    let again = reroute_of(&changed(&amended, "route.yaml"), &wanted(100)).unwrap();
    assert!(changed(&again, "route.yaml").contains("alias: pet-be-v2"));
    let error = reroute_of(&changed(&again, "route.yaml"), &wanted(50)).unwrap_err();
    assert_eq!(error.fault, Fault::Usage);
    assert!(error.message.contains("no client depends on pet-be"), "{error:?}");
}

#[test]
fn s4_i_nothing_restores_what_was() {
    let half = changed(&reroute_of(&two(), &wanted(40)).unwrap(), "route.yaml");
    let more = changed(&reroute_of(&half, &wanted(60)).unwrap(), "route.yaml");
    assert_eq!(more, half.replace("percent: 40", "percent: 60"));
    let back = reroute_of(&more, &wanted(0)).unwrap();
    assert_eq!(changed(&back, "route.yaml"), two());
    assert_eq!(reroute_of(&two(), &wanted(0)).unwrap().changed, []);
}

#[test]
fn s4_sticky_comes_and_goes_with_the_flag() {
    let sticky = Reroute { sticky: Some("x-instance-id".to_owned()), ..wanted(30) };
    let with = changed(&reroute_of(ROUTE, &sticky).unwrap(), "route.yaml");
    assert!(with.ends_with("      percent: 30\n      sticky: x-instance-id\n"), "{with}");
    let without = changed(&reroute_of(&with, &wanted(30)).unwrap(), "route.yaml");
    assert_eq!(without, with.replace("      sticky: x-instance-id\n", ""));
    let again = changed(&reroute_of(&without, &sticky).unwrap(), "route.yaml");
    assert_eq!(again, with);
}

#[test]
fn s4_f_g_a_difference_of_apis_stops_it_until_it_is_acknowledged() {
    let at = ROUTE.rfind("version: v1").unwrap();
    let other = format!("{}version: v2{}", &ROUTE[..at], &ROUTE[at + 11..]);
    let missing =
        ROUTE.replacen("version: v1\n", "version: v1\n    - {context: /toys, version: v3}\n", 1);
    let cases = [
        (other, "pet-be serves /pets at v1, but pet-be-v2 at v2", "context: /pets, version: v2}"),
        (
            missing,
            "pet-be serves /toys at v3, but pet-be-v2 does not serve it at all",
            "context: /toys}",
        ),
    ];
    for (route, what, how) in cases {
        for percent in [1, 50, 100] {
            let error = reroute_of(&route, &wanted(percent)).unwrap_err();
            assert_eq!(error.fault, Fault::Plan);
            assert!(error.message.contains(what) && error.next.contains(how), "{error:?}");
            let yes = Reroute { acknowledge: true, ..wanted(percent) };
            let amended = reroute_of(&route, &yes).unwrap();
            let plan = dialect::load(amended.files.clone()).unwrap();
            assert_eq!(plan.routes[0].acknowledged.len(), 1);
            // It stays accepted while the share grows.
            if percent < 100 {
                reroute_of(&changed(&amended, "route.yaml"), &wanted(100)).unwrap();
            }
        }
        assert_eq!(reroute_of(&route, &wanted(0)).unwrap().changed, []);
    }
}

#[test]
fn s4_h_one_name_is_no_prefix_of_another() {
    let amended = reroute_of(ROUTE, &Reroute { dependency: "pet".to_owned(), ..wanted(50) });
    let error = amended.unwrap_err();
    assert!(error.message.contains("no Route of this plan has an instance \"pet\""), "{error:?}");
    assert!(error.next.contains("pet-be, pet-be-v2"), "{error:?}");
    let error = reroute_of(ROUTE, &Reroute { target: "pet-be-v".to_owned(), ..wanted(50) });
    let error = error.unwrap_err();
    assert!(error.next.contains("did you mean pet-be-v2?"), "{error:?}");
    // pet-be is a prefix of pet-be-v2: only what is on pet-be moves.
    let moved = changed(&reroute_of(&two(), &wanted(100)).unwrap(), "route.yaml");
    let back =
        Reroute { dependency: "pet-be-v2".to_owned(), target: "pet-be".to_owned(), ..wanted(100) };
    let back = Reroute { sources: vec!["pet-fe".to_owned()], ..back };
    let back = reroute_of(&moved, &back).unwrap();
    assert_eq!(
        (clients(&back)[0].1.as_str(), clients(&back)[1].1.as_str()),
        ("pet-be", "pet-be-v2")
    );
}

#[test]
fn s4_a_source_that_does_not_depend_on_it_is_an_error_by_name() {
    let named = Reroute { sources: vec!["pet-fe".to_owned(), "pet-shop".to_owned()], ..wanted(50) };
    let error = reroute_of(ROUTE, &named).unwrap_err();
    assert_eq!(error.fault, Fault::Usage);
    assert!(
        error.message.contains("\"pet-shop\" is no client that depends on pet-be"),
        "{error:?}"
    );
    assert!(error.next.contains("pet-fe on pet-be"), "{error:?}");
}

#[test]
fn s4_j_retire_is_refused_while_a_client_points_there() {
    let retired = |route: &str, name: &str| {
        let files = files(route);
        retire(Amending::of(&files).unwrap(), name)
    };
    for (route, who) in [
        (ROUTE.to_owned(), "client pet-fe (100% of its requests)"),
        (changed(&reroute_of(ROUTE, &wanted(99)).unwrap(), "route.yaml"), "pet-fe (1% of its"),
    ] {
        let error = retired(&route, "pet-be").unwrap_err();
        assert_eq!(error.fault, Fault::Rule);
        assert!(error.message.contains(who), "{error:?}");
    }
    let half = changed(&reroute_of(ROUTE, &wanted(40)).unwrap(), "route.yaml");
    assert!(retired(&half, "pet-be-v2").unwrap_err().message.contains("(40% of its requests)"));
    let all = changed(&reroute_of(ROUTE, &wanted(100)).unwrap(), "route.yaml");
    assert!(retired(&all, "pet-be-v2").unwrap_err().message.contains("client pet-fe (100%"));
    let amended = retired(&all, "pet-be").unwrap();
    assert_eq!(amended.changed[0], ("pet-be.yaml".to_owned(), None));
    let (path, bytes) = &amended.changed[1];
    let old = "  - name: pet-be               # wso2cellery/pet-be-cell:1.0.0\n    service: \
               pet-be--gateway\n    apis:\n    - context: /pets\n      version: v1\n";
    assert_eq!(
        (path.as_str(), bytes.as_deref()),
        ("route.yaml", Some(all.replace(old, "").as_bytes()))
    );
}

#[test]
fn retire_takes_one_of_several_documents_and_what_was_acknowledged_of_it() {
    let at = ROUTE.rfind("version: v1").unwrap();
    let other = format!("{}version: v2{}", &ROUTE[..at], &ROUTE[at + 11..]);
    let yes = Reroute { acknowledge: true, ..wanted(100) };
    let all = changed(&reroute_of(&other, &yes).unwrap(), "route.yaml");
    assert!(all.contains("acknowledge:\n  - context: /pets\n    from: pet-be\n"), "{all}");
    let together = format!("{PET_FE}---\n{PET_BE}---\n{all}");
    let mut files = files(ROUTE);
    files.retain(|file| file.path == "pet-be-v2.yaml");
    files.push(PlanFile { path: "shop.yaml".to_owned(), bytes: together.into_bytes() });
    let amended = retire(Amending::of(&files).unwrap(), "pet-be").unwrap();
    let text = changed(&amended, "shop.yaml");
    assert!(text.starts_with(&format!("{PET_FE}---\n# Who calls")), "{text}");
    assert!(!text.contains("acknowledge") && !text.contains("name: pet-be   "), "{text}");
}

/// The seed's plan in two namespaces.
fn twice(route: &str) -> Vec<PlanFile> {
    let placed = |namespace: &'static str| {
        let into = format!("metadata:\n  namespace: {namespace}\n");
        files(route).into_iter().map(move |file| PlanFile {
            path: format!("{namespace}/{}", file.path),
            bytes: String::from_utf8(file.bytes).unwrap().replace("metadata:\n", &into).into(),
        })
    };
    placed("one").chain(placed("two")).collect()
}

#[test]
fn s4_h_an_instance_of_another_namespace_is_another() {
    let both = twice(ROUTE);
    let led = |dependency: &str| {
        let wanted = Reroute { dependency: dependency.to_owned(), ..wanted(50) };
        reroute(Amending::of(&both).unwrap(), &wanted)
    };
    let error = led("pet-be").unwrap_err();
    assert_eq!((error.fault, error.next.as_str()), (Fault::Usage, "name it as NAMESPACE/NAME"));
    assert!(error.message.contains("one/route.yaml:2, two/route.yaml:2"), "{error:?}");
    assert!(changed(&led("two/pet-be").unwrap(), "two/route.yaml").contains("percent: 50"));
    let error = led("three/pet-be").unwrap_err();
    assert!(error.message.contains("no Route of this plan has an instance"), "{error:?}");

    let mut moved = both.clone();
    let all = changed(&reroute_of(ROUTE, &wanted(100)).unwrap(), "route.yaml");
    let route = moved.iter_mut().find(|file| file.path == "one/route.yaml").unwrap();
    route.bytes = all.replace("metadata:\n", "metadata:\n  namespace: one\n").into();
    let amended = retire(Amending::of(&moved).unwrap(), "one/pet-be").unwrap();
    let paths: Vec<&str> = amended.changed.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["one/pet-be.yaml", "one/route.yaml"], "the other's client is no client");
    let error = retire(Amending::of(&moved).unwrap(), "two/pet-be").unwrap_err();
    assert_eq!(error.fault, Fault::Rule);
    assert!(error.next.contains("-d two/pet-be "), "{error:?}");
}

#[test]
fn a_document_without_a_namespace_lies_in_that_of_its_target() {
    let wanted = Reroute { dependency: "default/pet-be".to_owned(), ..wanted(50) };
    assert!(changed(&reroute_of(ROUTE, &wanted).unwrap(), "route.yaml").contains("percent: 50"));
    let of = |instance: &str| image_of(PET_BE, &Image { instance: instance.to_owned(), ..patch() });
    assert!(of("default/pet-be").is_ok());
    assert_eq!(of("other/pet-be").unwrap_err().fault, Fault::Usage);
}

#[test]
fn routes_of_one_namespace_move_together_whether_they_name_it_or_not() {
    let mut both = files(ROUTE);
    let named =
        ROUTE.replace("  name: pet-be\nspec:", "  name: admin\n  namespace: default\nspec:");
    let bytes = named.replace("pet-be--gateway        #", "admin--gateway #").into_bytes();
    both.push(PlanFile { path: "admin.yaml".to_owned(), bytes });
    let amended = reroute(Amending::of(&both).unwrap(), &wanted(50)).unwrap();
    let paths: Vec<&str> = amended.changed.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["route.yaml", "admin.yaml"]);
}

#[test]
fn retire_takes_several_or_none() {
    let all = changed(&reroute_of(ROUTE, &wanted(100)).unwrap(), "route.yaml");
    let files = files(&all);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let amended = retire_all(&files, &names(&["pet-be", "pet-shop"])).unwrap();
    let paths: Vec<&str> = amended.changed.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["pet-be.yaml", "route.yaml", "pet-shop.yaml"]);
    assert_eq!(amended.files.len(), 3);
    let error = retire_all(&files, &names(&["pet-be", "pet-be-v2"])).unwrap_err();
    assert!(error.message.contains("pet-be-v2 is still used"), "{error:?}");
}

/// The Route with a third instance, in the last place, and what it serves.
fn three(version: &str) -> String {
    let entry = format!(
        "  - name: pet-shop\n    service: pet-shop--gateway\n    apis:\n    - context: /pets\n      \
         version: {version}\n  clients:\n"
    );
    ROUTE.replace("  clients:\n", &entry)
}

#[test]
fn a_share_of_another_instance_is_never_dropped_unsaid() {
    let half = changed(&reroute_of(&three("v1"), &wanted(30)).unwrap(), "route.yaml");
    for percent in [0, 20, 100] {
        let other = Reroute { target: "pet-shop".to_owned(), ..wanted(percent) };
        let error = reroute_of(&half, &other).unwrap_err();
        assert_eq!(error.fault, Fault::Usage, "{percent}");
        assert!(error.message.contains("on its way from pet-be to pet-be-v2"), "{error:?}");
        assert!(error.next.contains("-s pet-fe -d pet-be -t pet-be-v2 -p 0"), "{error:?}");
    }
}

#[test]
fn what_is_accepted_covers_the_instance_that_was_passed_over() {
    let far = Reroute { target: "pet-shop".to_owned(), ..wanted(100) };
    let error = reroute_of(&three("v2"), &far).unwrap_err();
    assert!(error.message.contains("pet-be-v2 serves /pets at v1, but pet-shop"), "{error:?}");
    let amended = reroute_of(&three("v2"), &Reroute { acknowledge: true, ..far }).unwrap();
    let plan = dialect::load(amended.files).unwrap();
    let from: Vec<&str> = plan.routes[0].acknowledged.iter().map(|a| a.from.as_str()).collect();
    assert_eq!(from, ["pet-be", "pet-be-v2"]);
}

fn image_of(file: &str, wanted: &Image) -> Result<Amended, Unamended> {
    let mut files = files(ROUTE);
    files[0].bytes = file.as_bytes().to_vec();
    image(Amending::of(&files).unwrap_or_else(|e| panic!("{e:?}")), wanted)
}

fn patch() -> Image {
    Image {
        instance: "pet-be".to_owned(),
        component: "controller".to_owned(),
        image: "mycontainerorg/hello:1.0.1".to_owned(),
        container: None,
        env: Vec::new(),
    }
}

#[test]
fn s4_patch_changes_one_image_and_no_other_byte() {
    let expected = PET_BE.replace("mycontainerorg/hello:1.0.0", "mycontainerorg/hello:1.0.1");
    for component in ["controller", "pet-be--controller"] {
        let amended =
            image_of(PET_BE, &Image { component: component.to_owned(), ..patch() }).unwrap();
        assert_eq!(changed(&amended, "pet-be.yaml"), expected);
    }
    let windows = PET_BE.replace('\n', "\r\n");
    let quoted =
        windows.replace("mycontainerorg/hello:1.0.0", "'mycontainerorg/hello:1.0.0' # pinned ");
    let amended = image_of(&quoted, &patch()).unwrap();
    assert_eq!(changed(&amended, "pet-be.yaml"), quoted.replace("hello:1.0.0", "hello:1.0.1"));
    assert_eq!(image_of(&expected, &patch()).unwrap().changed, []);
}

#[test]
fn s4_k_patch_keeps_what_else_is_in_the_environment() {
    let line = "      image: mycontainerorg/hello:1.0.0\n";
    let env = "      env:\n      - name: Z   # last\n        value: \"1\"\n      - name: TOKEN\n        \
               valueFrom:\n          secretKeyRef: {name: t, key: k}\n      - {name: A, value: x}\n";
    let file = PET_BE.replace(line, &format!("{line}{env}"));
    let pairs = [("Z", "a=b=c"), ("A", "yes"), ("NEW", "=")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let amended = image_of(&file, &Image { env: pairs.to_vec(), ..patch() }).unwrap();
    let expected = file
        .replace("hello:1.0.0", "hello:1.0.1")
        .replace("value: \"1\"", "value: \"a=b=c\"")
        .replace(
            "{name: A, value: x}\n",
            "{name: A, value: \"yes\"}\n      - name: NEW\n        value: \"=\"\n",
        );
    assert_eq!(changed(&amended, "pet-be.yaml"), expected);
    let token = vec![("TOKEN".to_owned(), "x".to_owned())];
    let error = image_of(&file, &Image { env: token, ..patch() }).unwrap_err();
    assert!(error.fault == Fault::Plan && error.message.contains("`valueFrom`"), "{error:?}");
    let first = vec![("A".to_owned(), "1".to_owned())];
    let amended = image_of(PET_BE, &Image { env: first, ..patch() }).unwrap();
    let with = format!(
        "{}      env:\n      - name: A\n        value: \"1\"\n",
        line.replace("0\n", "1\n")
    );
    assert_eq!(changed(&amended, "pet-be.yaml"), PET_BE.replace(line, &with));
}

#[test]
fn s4_l_what_is_not_there_names_what_is() {
    let cases = [
        (Image { instance: "pet-bee".to_owned(), ..patch() }, "pet-bee", "did you mean pet-be?"),
        (Image { component: "controler".to_owned(), ..patch() }, "controler", "pet-be--controller"),
        (Image { container: Some("side".to_owned()), ..patch() }, "\"side\"", "pet-be--controller"),
    ];
    for (wanted, what, candidate) in cases {
        let error = image_of(PET_BE, &wanted).unwrap_err();
        assert_eq!(error.fault, Fault::Usage);
        assert!(error.message.contains(what) && error.next.contains(candidate), "{error:?}");
    }
    let own = Image { container: Some("pet-be--controller".to_owned()), ..patch() };
    image_of(PET_BE, &own).unwrap();
}

#[test]
fn s4_m_a_target_that_speaks_no_http_is_refused() {
    let at = ROUTE.rfind("    apis:").unwrap();
    let mute = format!("{}  clients:\n  - name: pet-fe\n    to: pet-be\n", &ROUTE[..at]);
    let error = reroute_of(&mute, &wanted(50)).unwrap_err();
    assert_eq!(error.fault, Fault::Plan);
    assert!(error.message.contains("pet-be-v2 states none, so it speaks TCP alone"), "{error:?}");
}

#[test]
fn what_is_shared_or_in_brackets_is_refused_by_its_place() {
    let brackets =
        ROUTE.replace("  - name: pet-fe\n    to: pet-be\n", "  - {name: pet-fe, to: pet-be}\n");
    let error = reroute_of(&brackets, &wanted(50)).unwrap_err();
    assert_eq!(error.fault, Fault::Plan);
    assert!(
        error.message.starts_with("route.yaml:20:5: this cannot be changed at its place"),
        "{error:?}"
    );
    let whole = reroute_of(&brackets, &wanted(100)).unwrap();
    assert!(changed(&whole, "route.yaml").contains("{name: pet-fe, to: pet-be-v2}"), "a value can");
    let shared = PET_BE
        .replace("image: registry.example/orders:1.0.0", "image: *c")
        .replace("image: mycontainerorg/hello:1.0.0", "image: &c mycontainerorg/hello:1.0.0");
    let error = image_of(&shared, &patch()).unwrap_err();
    assert!(error.message.contains("an anchor, an alias or `<<` shares it"), "{error:?}");
}
