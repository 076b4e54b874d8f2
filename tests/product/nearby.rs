//! A plan repository on this machine is read without git where git would read
//! the very same, and only there.

use crate::pair::{serving, upgrade};
use crate::plans::APPLICATION;
use crate::stage::{RECORD, Ran, Stage};
use crate::world::pods;
use std::os::unix::fs::PermissionsExt as _;

/// What git is asked for by one command, the first word of each call.
fn asked(stage: &Stage, arguments: &[&str]) -> Vec<String> {
    let bin = stage.path().join("bin");
    let (git, log) = (bin.join("git"), stage.path().join("asked"));
    std::fs::create_dir_all(&bin).unwrap();
    let path = std::env::var("PATH").unwrap();
    // Every call begins with its settings; those that git makes itself do not.
    let script = format!(
        "#!/bin/sh\nfor word; do case \"$word\" in --git-dir=*) ours=1;; esac; done\n\
         [ -z \"$ours\" ] || echo \"$*\" >>{}\nPATH='{path}' exec git \"$@\"\n",
        log.display()
    );
    std::fs::write(&git, script).unwrap();
    std::fs::set_permissions(&git, std::fs::Permissions::from_mode(0o755)).unwrap();
    let _ = std::fs::remove_file(&log);
    let mut command = stage.command(arguments);
    command.env("PATH", format!("{}:{path}", bin.display()));
    Ran::of(&command.output().unwrap()).ends(0);
    let told = std::fs::read_to_string(&log).unwrap_or_default();
    let words = ["fetch", "ls-remote", "push"];
    let word = |line: &str| line.split(' ').find(|word| words.contains(word)).map(str::to_owned);
    told.lines().map(|line| word(line).unwrap_or_else(|| line.to_owned())).collect()
}

#[test]
fn what_is_here_is_not_fetched_and_what_is_new_is() {
    let stage = serving();
    // The one call is for what the user's configuration makes of the path.
    for command in [&["log"][..], &["apply"], &["plan"]] {
        assert_eq!(asked(&stage, command), ["ls-remote"], "{command:?}");
    }
    upgrade(&stage, &[]);
    let calls = asked(&stage, &["apply", "--wait", "10m"]);
    let count = |word: &str| calls.iter().filter(|call| *call == word).count();
    assert_eq!((count("fetch"), count("ls-remote")), (1, 1), "{calls:?}");
    assert!(count("push") > 6, "{calls:?}");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.1", 4)]));
    stage.record_is_whole();
}

#[test]
fn what_the_users_configuration_makes_of_a_path_is_read_and_pushed_to() {
    let stage = serving();
    upgrade(&stage, &[]);
    let plan = stage.plan();
    let before = stage.repository().refname_to_id(RECORD).unwrap();
    let elsewhere = stage.path().join("elsewhere.git");
    let copy = git2::build::RepoBuilder::new().bare(true).clone(plan.to_str().unwrap(), &elsewhere);
    let copy = copy.unwrap();
    copy.reference(RECORD, before, true, "copied").unwrap();
    let config = "[url \"ELSEWHERE\"]\n\tinsteadOf = PLAN\n";
    let config = config.replace("ELSEWHERE", elsewhere.to_str().unwrap());
    let config = config.replace("PLAN", plan.to_str().unwrap());
    std::fs::write(stage.path().join(".gitconfig"), config).unwrap();
    // What only the named one has is not seen.
    stage.commit(&[(APPLICATION, "no: plan\n")]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.1", 4)]));
    assert_eq!(stage.repository().refname_to_id(RECORD).unwrap(), before);
    let after = copy.refname_to_id(RECORD).unwrap();
    assert!(copy.graph_descendant_of(after, before).unwrap());
}

#[test]
fn what_a_repository_hides_stays_hidden() {
    let stage = serving();
    let mut config = stage.repository().config().unwrap();
    config.set_str("uploadpack.hideRefs", "refs/heads/main").unwrap();
    stage.run(&["log", "--ref", "main"]).ends(1).says("the plan branch \"main\"");
}
