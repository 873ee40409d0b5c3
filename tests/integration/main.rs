//! All tests that reach beyond one function: the CRD's table, the rules of the architecture, and
//! everything on the real control plane. One binary, one cluster for the whole run.
//!
//! `cargo test --test integration -- cluster::` runs what needs the control plane, `-- --skip
//! cluster::` the rest.

mod architecture;
mod classify;
mod cluster;
mod crd;
mod demo;
mod deploy;
mod explain;
mod fleet;
mod guard;
mod histories;
mod lint;
mod memory;
mod process;
mod program;
mod replay;
mod shells;
mod suite;
mod supervision;
mod transcripts;
mod uninstall;
mod watching;

use std::process::ExitCode;

use dislodge_testbed::supervise;
use libtest_mimic::{Arguments, Failed, Trial};

/// What a test says of itself.
type Outcome = Result<(), Failed>;

fn main() -> ExitCode {
    // The same binary supervises the programs of the cluster, and ends them if we are killed.
    supervise::run_if_asked();
    if let Some(code) = supervision::run_if_asked() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // Tests on the cluster wait more than they compute.
    arguments.test_threads = arguments.test_threads.or(Some(cluster::AT_ONCE));

    let cluster = match cluster::Shared::new() {
        Ok(cluster) => cluster,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "error: no async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut trials = offline();
    trials.extend(cluster.trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    let broken = cluster.stop();
    for rule in &broken {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "error: in the whole run: {rule}");
    }
    if broken.is_empty() { conclusion.exit_code() } else { ExitCode::FAILURE }
}

/// Tests that need no cluster.
fn offline() -> Vec<Trial> {
    let mut trials = vec![Trial::test("crd::every_case_of_the_table_comes_out_as_it_says", || {
        report(&crd::offline::run())
    })];
    trials.push(Trial::test("crd::the_twins_of_the_rules_say_what_cel_says", || {
        report(&crd::offline::compare_with_cel(&crd::online::schema()))
    }));
    trials.push(Trial::test("crd::the_policy_in_the_readme_is_accepted", || {
        let policy = crd::from_readme()?;
        match crd::offline::verdict(crd::cases::Write::Create(policy)) {
            Ok(_) => Ok(()),
            Err(refusals) => Err(format!("{refusals:?}").into()),
        }
    }));
    trials.push(Trial::test(
        "supervision::programs_end_with_a_test_process_that_is_killed",
        supervision::programs_end_with_a_test_process_that_is_killed,
    ));
    trials.push(Trial::test(
        "whole_run::each_rule_catches_what_it_forbids",
        cluster::whole_run::each_rule_catches_what_it_forbids,
    ));
    for (name, check) in architecture::RULES {
        trials.push(Trial::test(format!("architecture::{name}"), move || Ok(check()?)));
    }
    for (name, test) in classify::ALL {
        trials.push(Trial::test(format!("classify::{name}"), test));
    }
    for (name, test) in lint::ALL {
        trials.push(Trial::test(format!("lint::{name}"), test));
    }
    for (name, test) in suite::ALL {
        trials.push(Trial::test(format!("suite::{name}"), test));
    }
    for (name, test) in replay::ALL {
        trials.push(Trial::test(format!("replay::{name}"), test));
    }
    for (name, test) in shells::ALL {
        trials.push(Trial::test(format!("shells::{name}"), test));
    }
    trials.push(Trial::test("transcripts::every_command_says_what_the_documents_show", || {
        transcripts::every_command_says_what_the_documents_show();
        Ok(())
    }));
    for (name, test) in explain::ALL {
        trials.push(Trial::test(format!("explain::{name}"), test));
    }
    for (name, test) in guard::ALL {
        trials.push(Trial::test(format!("guard::{name}"), test));
    }
    for (name, test) in deploy::ALL {
        trials.push(Trial::test(format!("deploy::{name}"), test));
    }
    for (name, test) in deploy::GENERATED {
        trials.push(Trial::test(format!("generated::{name}"), test));
    }
    for (name, test) in deploy::RENDERED {
        // Rendering needs the programs of the cluster, if not the cluster.
        trials.push(Trial::test(format!("cluster::deploy::{name}"), test));
    }
    let has_python = dislodge_testbed::python::is_there();
    for (name, test) in deploy::CHECKED {
        // The two commands of the README need Rust and Go; `.ci/run` refuses to go on without Python.
        let trial = Trial::test(format!("cluster::deploy::{name}"), test);
        trials.push(trial.with_ignored_flag(!has_python));
    }
    for (name, test) in watching::ALL {
        trials.push(Trial::test(format!("watching::{name}"), test));
    }
    for (name, test) in watching::PROMTOOL {
        trials.push(Trial::test(format!("cluster::watching::{name}"), test));
    }
    trials.extend(memory::trials());
    for (name, test) in demo::ALL {
        trials.push(Trial::test(format!("demo::{name}"), test));
    }
    for (name, test) in histories::ALL {
        trials.push(Trial::test(format!("histories::{name}"), test));
    }
    for (name, test) in fleet::ALL {
        trials.push(Trial::test(format!("fleet::{name}"), test));
    }
    for (name, test) in process::ALL {
        trials.push(Trial::test(format!("process::{name}"), test));
    }
    trials
}

/// Fails with everything that failed.
fn report(failures: &[crd::Failure]) -> Outcome {
    if failures.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = failures.iter().map(ToString::to_string).collect();
    Err(lines.join("\n").into())
}
