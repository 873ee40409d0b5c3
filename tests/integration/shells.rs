//! Completion, man pages, and the program as a plugin of kubectl.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::program::{finish, run_with};

/// A test: its sentence as a name, and the check.
type Test = (&'static str, fn() -> Outcome);

/// All tests.
pub(crate) const ALL: &[Test] = &[
    ("bash_takes_the_script_and_completes_by_it", bash),
    ("kubectl_completes_the_plugin_by_its_script", kubectl),
    ("each_command_has_a_man_page_in_the_folder_that_is_named", man),
];

fn bash() -> Outcome {
    let script = "\
        source <(\"$0\" completion bash) || exit\n\
        COMP_WORDS=(dislodge lint --fail); COMP_CWORD=2\n\
        _dislodge dislodge --fail lint\n\
        echo \"${COMPREPLY[*]}\"";
    let mut program = Command::new("bash");
    program.args(["--norc", "-c", script]).arg(env!("CARGO_BIN_EXE_dislodge"));
    finish(program, b"")?.is(0, &["--fail-on"], &[])
}

/// kubectl finds a plugin as `kubectl-NAME`, and asks `kubectl_complete-NAME` for completions.
fn kubectl() -> Outcome {
    let folder = std::env::temp_dir().join(format!("dislodge-{}-plugin", std::process::id()));
    fs::create_dir_all(&folder)?;
    let done = plugin(&folder);
    fs::remove_dir_all(&folder)?;
    done
}

fn plugin(folder: &Path) -> Outcome {
    let kubectl = "#!/bin/sh\nname=$1; shift\nexec \"kubectl-$name\" \"$@\"\n";
    let completion = run_with(&["completion"], &["kubectl"], "")?;
    completion.is(0, &["kubectl dislodge __complete"], &[])?;
    for (name, script) in [("kubectl", kubectl), ("kubectl_complete-dislodge", &completion.out)] {
        fs::write(folder.join(name), script)?;
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755))?;
    }
    symlink(env!("CARGO_BIN_EXE_dislodge"), folder.join("kubectl-dislodge"))?;
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let called = |words: &[&str]| {
        let (name, words) = words.split_first().unwrap_or((&"", &[]));
        let mut program = Command::new(folder.join(name));
        program.args(words).env("PATH", &path);
        finish(program, b"")
    };
    called(&["kubectl_complete-dislodge", "lint", "-o", "s"])?.is(
        0,
        &["sarif\t", "\n:4\n"],
        &[],
    )?;
    called(&["kubectl_complete-dislodge", "lint", ""])?.is(0, &[":0\n"], &[])?;
    called(&["kubectl_complete-dislodge", "li"])?.is(0, &["lint\tFind what"], &[])?;
    let help = called(&["kubectl", "dislodge", "lint", "--help"])?;
    help.is(0, &["Usage: kubectl dislodge lint", "  kubectl dislodge lint policies/"], &[])?;
    called(&["kubectl", "dislodge", "lint"])?.is(2, &[], &["Usage: kubectl dislodge lint"])?;
    called(&["kubectl", "dislodge", "lint", "--explain", "DL201"])?.is(0, &["DL201"], &[])
}

fn man() -> Outcome {
    let folder = std::env::temp_dir().join(format!("dislodge-{}-man", std::process::id()));
    fs::create_dir_all(&folder)?;
    let said = run_with(&["man"], &[&folder.to_string_lossy()], "");
    let page = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let (program, lint) = (page("dislodge.1"), page("dislodge-lint.1"));
    fs::remove_dir_all(&folder)?;
    said?.is(0, &[], &[])?;
    let has = |page: &str, part: &str| page.contains(part);
    if !has(&program, "dislodge\\-lint(1)")
        || !has(&lint, ".TH dislodge-lint 1")
        || !has(&lint, "fail\\-on")
    {
        return Err(format!("{program}\n{lint}").into());
    }
    run_with(&["man"], &["/no/such/folder"], "")?.is(1, &[], &["name a folder that exists"])
}
