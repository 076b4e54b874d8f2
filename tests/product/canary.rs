//! Nothing that the program prints, writes or records holds a secret: a value
//! of its own is planted in every place where one can hide.

use crate::plans::{APPLICATION, ROLLOUT, rollout, web};
use crate::stage::{Ran, Stage};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use git2::{ObjectType, TreeWalkMode};
use tranche::core::digest::Digest;

/// The middle of every planted value.
const MARK: &str = "Zq7xCanary9";

/// The value that is planted at a place.
fn canary(place: &str) -> String {
    format!("{place}-{MARK}-{place}")
}

fn encoded(place: &str) -> String {
    STANDARD.encode(canary(place))
}

/// What a value that slipped through would look like, raw or in any of the
/// usual spellings, wherever it begins.
fn traces() -> Vec<String> {
    let mut traces = vec![MARK.to_owned(), MARK.chars().rev().collect()];
    traces.push(MARK.bytes().map(|byte| format!("{byte:02x}")).collect());
    for shift in 0..3 {
        let padded = STANDARD.encode(format!("{}{MARK}", "-".repeat(shift)));
        // The first and last signs depend on what stands around.
        traces.push(padded.get(4..padded.len() - 4).unwrap().to_owned());
    }
    traces
}

#[track_caller]
fn clean(what: &str, text: &str) {
    for trace in traces() {
        assert!(!text.contains(&trace), "{what} holds {trace}:\n{text}");
    }
}

/// The run says nothing secret.
#[track_caller]
fn quiet(ran: Ran) -> Ran {
    clean("what is printed", &ran.to_string());
    ran
}

fn objects() -> String {
    let copy = format!(
        "{{\"kind\": \"Secret\", \"stringData\": {{\"a\": \"{}\"}}}}",
        canary("lastapplied")
    );
    format!(
        "\
apiVersion: v1
kind: Secret
metadata: {{name: db}}
data: {{password: {data}}}
stringData:
  other: {string}
  file: |
    first line
    {line}
---
apiVersion: v1
kind: Secret
metadata: {{name: sh.helm.release.v1.web.v1}}
type: helm.sh/release.v1
data: {{release: {release}}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{copy}'
data:
  apiToken: {map}
  key.pem: |
    -----BEGIN RSA PRIVATE KEY-----
    {pem}
    -----END RSA PRIVATE KEY-----
  app.json: '{{\"user\": \"web\", \"adminPassword\": \"{json}\"}}'
  app.properties: |
    mode=fast
    db.password={property}
    url=postgres://web:{url}@db/web
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: plain}}
spec:
  selector: {{matchLabels: {{app: plain}}}}
  template:
    metadata: {{labels: {{app: plain}}}}
    spec:
      containers:
        - name: plain
          image: plain:1
          args: [\"--password={arg}\", \"--token\", \"{next}\", \"--set=db.password={set}\"]
          env:
            - {{name: DB_PASSWORD, value: {env}}}
",
        data = encoded("data"),
        string = canary("stringdata"),
        line = canary("line"),
        release = encoded("release"),
        map = canary("map"),
        pem = canary("pem"),
        json = canary("json"),
        set = canary("set"),
        property = canary("property"),
        url = canary("url"),
        arg = canary("arg"),
        next = canary("next"),
        env = canary("env"),
    )
}

fn application(more: &str) -> String {
    format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: queue}}
spec:
  components:
    - name: queue
      type: worker
      properties:
        image: queue:1
        env:
          - name: QUEUE_TOKEN
            value: {}
{more}",
        canary("appenv")
    )
}

/// Every blob and message that the record branch has or ever had.
fn record_is_clean(stage: &Stage) {
    let repository = stage.repository();
    let mut walk = repository.revwalk().unwrap();
    walk.push_ref(crate::stage::RECORD).unwrap();
    let mut seen = 0;
    for id in walk {
        let commit = repository.find_commit(id.unwrap()).unwrap();
        clean("a message of the record", commit.message().unwrap());
        commit
            .tree()
            .unwrap()
            .walk(TreeWalkMode::PreOrder, |path, entry| {
                if entry.kind() == Some(ObjectType::Blob) {
                    seen += 1;
                    let blob = repository.find_blob(entry.id()).unwrap();
                    let name = format!("{path}{}", entry.name().unwrap_or_default());
                    clean(&name, &String::from_utf8_lossy(blob.content()));
                }
                0
            })
            .unwrap();
    }
    assert!(seen > 5, "only {seen} files on the record");
}

/// Every command that reads, in every form.
fn read_all(stage: &Stage, code: i32) {
    for command in [
        &["lint"][..],
        &["lint", "-o", "json"],
        &["render"],
        &["render", "-o", "json"],
        &["plan"],
        &["plan", "-o", "json"],
        &["plan", "-o", "markdown", "--full-diff", "plan.diff"],
        &["plan", "-o", "html"],
    ] {
        let ran = quiet(stage.run(command)).ends(code);
        if code == 0 && command.first() == Some(&"plan") {
            assert!(
                ran.out.contains("redacted"),
                "{command:?} shows that there is a secret: {ran}"
            );
        }
    }
    for command in [&["status"][..], &["status", "-o", "json"], &["log"], &["log", "-o", "json"]] {
        quiet(stage.run(command)).ends(0);
    }
}

#[test]
fn a_planted_value_shows_in_nothing_that_is_printed_written_or_recorded() {
    let stage = Stage::with(&[("objects.yaml", &objects()), ("queue.yaml", &application(""))]);
    read_all(&stage, 0);
    let comment = stage.run(&["plan", "-o", "markdown", "--full-diff", "plan.diff"]).out;
    let full = std::fs::read(stage.path().join("plan.diff")).unwrap();
    let digest = Digest::of_bytes(&full).as_str().trim_start_matches("sha256:").to_owned();
    assert!(comment.contains(&format!("SHA-256 <code>{digest}</code>")), "{comment}");
    clean("the full diff", &std::fs::read_to_string(stage.path().join("plan.diff")).unwrap());
    saves_clean(&stage);
    let apply = ["apply", "--plan", "plan.json", "--wait", "10m", "--summary", "summary.json"];
    quiet(stage.run(&apply)).ends(0);
    clean("the summary", &std::fs::read_to_string(stage.path().join("summary.json")).unwrap());
    // The secrets reached the cluster as they are.
    let world = stage.world();
    assert_eq!(world.get("Secret", "db").unwrap()["data"]["password"], encoded("data"));
    record_is_clean(&stage);
    // A change of every value shows that there is one.
    let changed = |text: &str| text.replace(MARK, &format!("2{MARK}"));
    let newer = objects()
        .replace(&encoded("data"), &STANDARD.encode(changed(&canary("data"))))
        .replace(&encoded("release"), &STANDARD.encode(changed(&canary("release"))));
    stage.commit(&[("objects.yaml", &changed(&newer)), ("queue.yaml", &changed(&application("")))]);
    read_all(&stage, 0);
    quiet(stage.run(&["plan"])).says("<redacted, changed>");
    saves_clean(&stage);
    // Once more another value: what is stale says nothing of either.
    let newest = changed(&newer).replace(MARK, &format!("3{MARK}"));
    stage.commit(&[("objects.yaml", &newest)]);
    quiet(stage.run(&["apply", "--plan", "plan.json"])).ends(6).says("values that are not shown");
    saves_clean(&stage);
    quiet(stage.run(&["apply", "--plan", "plan.json", "--wait", "10m"])).ends(0);
    read_all_done(&stage);
    record_is_clean(&stage);
}

/// A saved plan holds no secret, nor a digest of one: none of a single value, and
/// none of the values of an object.
fn saves_clean(stage: &Stage) {
    quiet(stage.run(&["plan", "--out", "plan.json"])).ends(0).says("redacted");
    let text = std::fs::read_to_string(stage.path().join("plan.json")).unwrap();
    clean("the saved plan", &text);
    assert!(text.contains("<redacted>"), "{text}");
    for place in ["data", "stringdata", "env", "map", "arg", "appenv"] {
        for value in [canary(place), encoded(place)] {
            let json = serde_json::Value::from(value.clone()).to_string();
            for bytes in [value, json] {
                let digest = Digest::of_bytes(bytes.as_bytes());
                let hex = digest.as_str().trim_start_matches("sha256:");
                assert!(!text.contains(hex.get(..12).unwrap()), "{place}: {text}");
            }
        }
    }
}

/// What reads the record, once nothing is to be done.
fn read_all_done(stage: &Stage) {
    for command in [&["plan", "-o", "html"][..], &["status"], &["log", "-o", "json"]] {
        quiet(stage.run(command)).ends(0);
    }
}

#[test]
fn an_error_that_echoes_a_secret_is_shown_without_it() {
    let stage = Stage::with(&[("objects.yaml", &objects()), ("queue.yaml", &application(""))]);
    stage.apply_wait().ends(0);
    // The server says what is wrong with a label, and quotes it.
    let bad = format!(
        "\
apiVersion: v1
kind: Secret
metadata: {{name: echo}}
stringData: {{password: \"{echo} !\"}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: echo, labels: {{of: \"{echo} !\"}}}}
",
        echo = canary("echo")
    );
    stage.commit(&[("bad.yaml", &bad)]);
    let ran = quiet(stage.run(&["plan"]));
    assert_ne!(ran.code, 0, "{ran}");
    let ran = quiet(stage.run(&["apply", "--summary", "summary.json"]));
    assert_ne!(ran.code, 0, "{ran}");
    assert!(ran.err.contains("<redacted>"), "the server's words are shown otherwise: {ran}");
    clean("the summary", &std::fs::read_to_string(stage.path().join("summary.json")).unwrap());
    record_is_clean(&stage);
    stage.remove("bad.yaml");
    // A plan that is wrong is quoted, too.
    let more = format!("        adminPassword: {}\n", canary("property"));
    stage.commit(&[("queue.yaml", &application(&more))]);
    read_broken(&stage);
    let torn = format!("        env: {{name: A_TOKEN, value: {}\n", canary("torn"));
    stage.commit(&[("queue.yaml", &application(&torn))]);
    read_broken(&stage);
    record_is_clean(&stage);
}

fn read_broken(stage: &Stage) {
    for command in [&["lint"][..], &["render"], &["plan"], &["apply"]] {
        quiet(stage.run(command)).ends(65);
    }
    quiet(stage.run(&["status"])).ends(0);
}

#[test]
fn what_is_typed_and_set_is_not_repeated() {
    let files = [(APPLICATION, web("6.7.0", 2, &[])), (ROLLOUT, rollout("web-v1", &[]))];
    let stage = Stage::with(&[(files[0].0, &files[0].1), (files[1].0, &files[1].1)]);
    stage.apply_wait().ends(0);
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 2, &[])),
        (ROLLOUT, &rollout("web-v2", &["batchPartition: 0"])),
    ]);
    stage.apply_wait().ends(3);
    let reason = format!("token={} is out", canary("reason"));
    quiet(stage.run(&["pause", "web", "--reason", &reason])).ends(0);
    quiet(stage.run(&["status"])).says("<redacted>");
    record_is_clean(&stage);
    quiet(stage.run(&["plan", &format!("password={}", canary("typed"))])).ends(64);
    // Nothing answers at this port.
    let url = format!("https://user:{}@127.0.0.1:1/plan.git", canary("userinfo"));
    for arguments in [&["plan"][..], &["plan", "--help"], &["status"]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tranche"));
        let output = command
            .args(arguments)
            .current_dir(stage.path())
            .env("HOME", stage.path())
            .env("XDG_CACHE_HOME", stage.path().join("cache"))
            .env("TRANCHE_REPO", &url)
            .env("TRANCHE_GIT_PASSWORD", canary("password"))
            .env("TRANCHE_LOG", "debug")
            .env_remove("CI")
            .output()
            .unwrap();
        quiet(Ran::of(&output));
    }
}
