//! `tranche init`: a first plan to change. Owns which files it writes; it must
//! never write over one.

#![expect(clippy::disallowed_methods, reason = "this command writes files")]

use super::args::Init;
use super::exit::Failure;
use super::terminal::{out, say};
use std::fs::{self, OpenOptions};
use std::io::Write;

const FILES: &[(&str, &str)] = &[
    ("tranche.yaml", include_str!("../../examples/webservice/tranche.yaml")),
    ("application.yaml", include_str!("../../examples/webservice/application.yaml")),
    ("approllout.yaml", include_str!("../../examples/webservice/approllout.yaml")),
];

/// Writes the files; none if one of them is there.
pub(super) fn run(options: &Init) -> Result<u8, Failure> {
    let dir = &options.dir;
    let failed = |error: std::io::Error| Failure::plain(&format!("{}: {error}", dir.display()));
    if let Some((name, _)) = FILES.iter().find(|(name, _)| dir.join(name).exists()) {
        return Err(Failure::usage(
            format!("{} exists; nothing was written", dir.join(name).display()),
            "choose another directory, or edit what is there",
        ));
    }
    fs::create_dir_all(dir).map_err(failed)?;
    for (name, text) in FILES {
        let file = OpenOptions::new().write(true).create_new(true).open(dir.join(name));
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
        out(say(dir.join(name).display().to_string()));
    }
    let go =
        if dir.as_os_str() == "." { String::new() } else { format!("cd {} && ", dir.display()) };
    out(say(format!(
        "next: {go}git init -b main && git add . && git commit -m plan, then `tranche plan` and \
         `tranche apply --wait 10m`"
    )));
    Ok(0)
}
