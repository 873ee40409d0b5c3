//! What is typed: commands, flags and the environment variables behind them.

#[cfg(test)]
mod documented;
mod lint;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use lint::{LintArgs, LintOutput};

use crate::bundle::ReportArgs;
use crate::check::CheckArgs;
use crate::completion::Target;

use crate::explain::ExplainArgs;
use crate::record::RecordArgs;
use crate::replay::ReplayArgs;
use crate::simulate::SimulateArgs;
use crate::status::StatusArgs;
use crate::steer::holds::HoldsArgs;
use crate::steer::ignore::IgnoreArgs;
use crate::steer::pause::{PauseArgs, UnpauseArgs};
use crate::steer::resume::ResumeArgs;
use crate::suite::TestArgs;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "dislodge",
    version,
    about = "Gives back the queue quota that Jobs with unpullable images hold",
    long_about = "Dislodge watches Jobs whose image cannot be pulled and, by the thresholds of an \
                  ImagePullPolicy, stops them, so that the queue gives their quota to the next job.",
    after_help = "Examples:\n  \
        dislodge crd | kubectl apply --server-side -f -    install the ImagePullPolicy CRD\n  \
        dislodge controller --context dev                  run against a cluster of your kubeconfig\n  \
        kubectl get pods -o json | dislodge classify --pod -   say why their images are not pulled\n  \
        dislodge lint policies/                            find what is wrong with policies\n  \
        dislodge test policies/                            run their unit tests",
    max_term_width = 100
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller until SIGTERM or SIGINT
    Controller(Box<ControllerArgs>),
    /// Print the CustomResourceDefinition of ImagePullPolicy as YAML
    #[command(after_help = "Example:\n  dislodge crd | kubectl apply --server-side -f -")]
    Crd,
    /// Say why an image cannot be pulled: from a message, many messages, or Pods
    Classify(Box<ClassifyArgs>),
    /// Play a scenario without and with policies, in virtual time and without a cluster
    Simulate(Box<SimulateArgs>),
    /// Find what is wrong with policies: what the API server refuses, and what it cannot see
    Lint(Box<LintArgs>),
    /// Run unit tests of policies: suites of cases, played in virtual time and without a cluster
    Test(Box<TestArgs>),
    /// Print the completion script of a shell
    #[command(after_help = "Examples:\n  \
        source <(dislodge completion bash)                          for this shell\n  \
        dislodge completion zsh >\"${fpath[1]}/_dislodge\"\n  \
        dislodge completion fish >~/.config/fish/completions/dislodge.fish\n\n\
        For `kubectl dislodge` (kubectl 1.26 or newer), into a folder of $PATH:\n  \
        dislodge completion kubectl >kubectl_complete-dislodge && chmod +x kubectl_complete-dislodge")]
    Completion {
        /// The shell, or kubectl for the plugin
        #[arg(value_name = "SHELL")]
        target: Target,
    },
    /// Write the man pages into a folder, for packages
    #[command(hide = true, after_help = "Example:\n  dislodge man /usr/local/share/man/man1")]
    Man {
        /// The folder; it has to exist
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Complete a command line of `kubectl dislodge`, as kubectl asks for it
    #[command(name = "__complete", hide = true)]
    Complete {
        /// The words behind `dislodge`; the last one is to be completed
        #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
        words: Vec<String>,
    },
    /// Say why a job does not run, who decides, what happens next, and what its owner can do
    Explain(Box<ExplainArgs>),
    /// Show queues, policies, held jobs and what stuck pulls hold back
    Status(Box<StatusArgs>),
    /// Check that the cluster is ready for Dislodge, and Dislodge installed as it should be
    Check(Box<CheckArgs>),
    /// Record what happens to jobs, with your own rights, for `dislodge replay`
    Record(Box<RecordArgs>),
    /// Play a recording again: what was decided, or what other policies would decide
    Replay(Box<ReplayArgs>),
    /// Put what somebody else needs to see what is wrong into one file, without secrets
    Report(Box<ReportArgs>),
    /// List the jobs that Dislodge holds
    Holds(Box<HoldsArgs>),
    /// Resume jobs that Dislodge holds
    Resume(Box<ResumeArgs>),
    /// Keep Dislodge off a job
    Ignore(Box<IgnoreArgs>),
    /// Stop Dislodge from acting: for one policy, or everywhere
    Pause(Box<PauseArgs>),
    /// Let Dislodge act again
    Unpause(Box<UnpauseArgs>),
}

impl Args {
    /// Reads the command line. Where it cannot be meant, says so and ends the process.
    pub fn read() -> Self {
        Self::parsed(std::env::args_os().collect()).unwrap_or_else(|error| leave(&error))
    }

    fn parsed(words: Vec<OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command_as(words.first());
        let matches = command.try_get_matches_from_mut(words)?;
        Self::from_arg_matches(&matches)
            .map_err(|error| error.format(&mut command))
            .and_then(Self::checked)
    }

    /// The definition, as it fits to the name by which the program was called: a kubectl plugin
    /// speaks of `kubectl dislodge`.
    fn command_as(called: Option<&OsString>) -> clap::Command {
        let command = Self::command();
        let name = called.and_then(|path| Path::new(path).file_stem());
        if name.is_some_and(|name| name == PLUGIN) {
            let names: Vec<String> =
                command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
            as_plugin(command, &names).bin_name("kubectl dislodge")
        } else {
            command
        }
    }

    /// What clap cannot check.
    fn checked(self) -> Result<Self, clap::Error> {
        if let Command::Classify(args) = &self.command
            && args.jsonl
            && args.output == Some(Output::Text)
        {
            let conflict = "--jsonl always writes JSON: leave '-o text' out, or give one message";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, conflict));
        }
        Ok(self)
    }
}

/// The name by which kubectl calls the program.
const PLUGIN: &str = "kubectl-dislodge";

/// The same definition with `kubectl dislodge` in its examples.
fn as_plugin(command: clap::Command, names: &[String]) -> clap::Command {
    let examples = command.get_after_help().map(|help| {
        names.iter().fold(help.to_string(), |text, name| {
            text.replace(&format!("dislodge {name}"), &format!("kubectl dislodge {name}"))
        })
    });
    let command = match examples {
        Some(examples) => command.after_help(examples),
        None => command,
    };
    command.mut_subcommands(|command| as_plugin(command, names))
}

/// Says what is wrong with the command line, or helps. The exit code 2 of `explain` means that a job
/// is stuck, that of `check` that something is wrong: there it is 1.
fn leave(error: &clap::Error) -> ! {
    let answers = ["explain", "check"];
    let answers =
        std::env::args_os().nth(1).is_some_and(|it| answers.iter().any(|name| it == *name));
    if error.exit_code() == 2 && answers {
        // Where even standard error is closed there is nobody left to tell.
        let _ = error.print();
        std::process::exit(1);
    }
    error.exit()
}

/// What is typed behind `dislodge classify`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge classify --image r.io/app:1 'failed to resolve reference \"r.io/app:1\": not found'\n  \
    kubectl get pod NAME -o jsonpath='{..waiting.message}' | dislodge classify -o json\n  \
    dislodge classify --jsonl <messages.jsonl      lines {\"image\",\"reason\",\"message\"}; image and\n                                                 \
    reason may be null or absent\n  \
    kubectl get pods -A --show-managed-fields -o json | dislodge classify --pod -\n\n\
    Secrets in messages are masked. No cluster is asked.\n\
    Exit code: 0 whether or not a failure is found, 1 where something cannot be read (the rest is\n\
    still answered), 2 where the command line cannot be meant.")]
pub struct ClassifyArgs {
    /// The message: `waiting.message` of a container, or an Event's [default, and '-': all of
    /// standard input]
    #[arg(value_name = "MESSAGE", conflicts_with_all = ["jsonl", "pod"])]
    pub message: Vec<String>,

    /// The image, as the Pod's spec writes it
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["jsonl", "pod"])]
    pub image: Option<String>,

    /// The container's `waiting.reason`, or the Event's reason [default: the message alone decides]
    #[arg(long, value_name = "REASON", conflicts_with_all = ["jsonl", "pod"])]
    pub reason: Option<String>,

    /// Read a JSON object a line, write one a line, in order and at once
    #[arg(long, conflicts_with = "pod")]
    pub jsonl: bool,

    /// Read the lines of --jsonl from this file [default, and '-': standard input]
    #[arg(short, long, value_name = "FILE", requires = "jsonl")]
    pub file: Option<PathBuf>,

    /// List the image failures of the Pods in this file ('-': standard input): a Pod, a List, or
    /// several of them, as YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub pod: Option<PathBuf>,

    /// Form of the output [default: text]
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// How an answer looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// One JSON value on one line.
    Json,
}

/// Flags of `dislodge controller`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge controller                                        in a Pod: everything has a default\n  \
    dislodge controller --kubeconfig ~/.kube/config --context dev --log-format text\n  \
    dislodge controller --namespace team-a --lease-name dislodge-team-a\n  \
    dislodge controller --record /var/lib/dislodge             keep what it saw, for `dislodge replay`\n\n\
    Several replicas may run: all count failed pulls, the holder of the Lease acts.\n\
    Pause everything: kubectl -n dislodge-system annotate lease dislodge dislodge.dev/paused=\"<reason>\"")]
pub struct ControllerArgs {
    /// Watch only this namespace [default: all namespaces]
    #[arg(long, value_name = "NAMESPACE", env = "DISLODGE_NAMESPACE", value_parser = name)]
    pub namespace: Option<String>,

    /// Name of the Lease whose holder acts
    #[arg(long, value_name = "NAME", env = "DISLODGE_LEASE_NAME", default_value = "dislodge", value_parser = name)]
    pub lease_name: String,

    /// Namespace of the Lease [default: the Pod's own namespace, else dislodge-system]
    #[arg(long, value_name = "NAMESPACE", env = "DISLODGE_LEASE_NAMESPACE", value_parser = name)]
    pub lease_namespace: Option<String>,

    /// Name of this replica in the Lease, unique among replicas [default: $POD_NAME, else the host
    /// name]
    #[arg(long, value_name = "NAME", env = "DISLODGE_IDENTITY")]
    pub identity: Option<String>,

    /// Kubeconfig file [default: $KUBECONFIG, else the Pod's service account, else ~/.kube/config]
    #[arg(long, value_name = "PATH")]
    pub kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig [default: its current context]
    #[arg(long, value_name = "NAME", env = "DISLODGE_CONTEXT")]
    pub context: Option<String>,

    /// Address that serves /livez and /readyz, or 'off'
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "DISLODGE_PROBE_ADDRESS",
        default_value = "0.0.0.0:8081"
    )]
    pub probe_address: Listen,

    /// Address that serves /metrics in the OpenMetrics format, or 'off'
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "DISLODGE_METRICS_ADDRESS",
        default_value = "0.0.0.0:8080"
    )]
    pub metrics_address: Listen,

    /// Form of the log lines [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT", env = "DISLODGE_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Least level that is logged: error, warn, info, debug or trace, or a list of directives such
    /// as 'info,dislodge::watch=debug'
    #[arg(long, value_name = "LEVEL", env = "DISLODGE_LOG_LEVEL", default_value = "info")]
    pub log_level: String,

    /// Record the inputs of this process into this folder, for `dislodge replay`: files without
    /// secrets, the oldest removed
    #[arg(long, value_name = "DIR", env = "DISLODGE_RECORD")]
    pub record: Option<PathBuf>,

    /// How much all recordings in that folder may take, in MiB
    #[arg(
        long,
        value_name = "MIB",
        env = "DISLODGE_RECORD_SIZE",
        default_value_t = 256,
        requires = "record",
        value_parser = clap::value_parser!(u64).range(8..=1 << 20)
    )]
    pub record_size: u64,

    /// Tests only: the length of the kubelet's second in milliseconds
    #[arg(long, hide = true, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub test_millis_per_second: Option<u32>,
}

/// Where something is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// At this address.
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::At).map_err(|_| {
            "give an IP address and a port, such as 0.0.0.0:8081 or [::]:8081, or 'off'".to_owned()
        })
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line of text for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A name as Kubernetes has them in URLs (RFC 1123 subdomain), so that a typo is told at once and
/// cannot change the path of a request.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let ok = text.len() <= 253
        && text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.chars().all(|c| alphanumeric(c) || c == '-' || c == '.');
    if ok {
        Ok(text.to_owned())
    } else {
        Err("use lower-case letters, digits, '-' and '.', with a letter or digit at both ends"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(flags: &[&str]) -> Result<ControllerArgs, clap::Error> {
        let args = ["dislodge", "controller"].iter().chain(flags);
        let Command::Controller(args) = Args::try_parse_from(args)?.command else {
            panic!("another command was parsed")
        };
        Ok(*args)
    }

    fn classify(flags: &[&str]) -> Result<ClassifyArgs, clap::Error> {
        let args = ["dislodge", "classify"].iter().chain(flags);
        let Command::Classify(args) = Args::try_parse_from(args)?.checked()?.command else {
            panic!("another command was parsed")
        };
        Ok(*args)
    }

    #[test]
    fn flags_may_stand_before_and_behind_the_words_of_a_message() {
        let args = classify(&["--image", "a:1", "not", "found", "-o", "json", "-"]).unwrap();
        assert_eq!(args.message, ["not", "found", "-"]);
        assert_eq!(args.output, Some(Output::Json));
        assert_eq!(classify(&["--", "-o", "--x"]).unwrap().message, ["-o", "--x"]);
    }

    #[test]
    fn one_way_of_asking_excludes_the_others() {
        for flags in [
            &["--jsonl", "not found"][..],
            &["--jsonl", "--image", "a:1"],
            &["--jsonl", "--reason", "ErrImagePull"],
            &["--jsonl", "--pod", "-"],
            &["--jsonl", "-o", "text"],
            &["--pod", "-", "not found"],
            &["--pod", "-", "--image", "a:1"],
            &["--pod", "-", "--reason", "ErrImagePull"],
        ] {
            let error = classify(flags).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ArgumentConflict, "{flags:?}: {error}");
            assert_eq!(error.exit_code(), 2, "{flags:?}");
        }
        assert!(classify(&["--file", "x"]).unwrap_err().to_string().contains("--jsonl"));
        assert!(classify(&["--jsonl", "-o", "json", "-f", "x"]).is_ok());
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_help_names_every_flag_but_the_one_for_tests() {
        let mut command = Args::command();
        let help =
            command.find_subcommand_mut("controller").unwrap().render_long_help().to_string();
        for flag in [
            "--namespace",
            "--lease-name",
            "--lease-namespace",
            "--identity",
            "--kubeconfig",
            "--context",
            "--probe-address",
            "--metrics-address",
            "--log-format",
            "--log-level",
            "--record",
            "--record-size",
            "Examples:",
        ] {
            assert!(help.contains(flag), "{flag} is missing:\n{help}");
        }
        assert!(!help.contains("test-millis"), "{help}");
        assert!(!help.contains("kubelet"), "{help}");
    }

    #[test]
    fn a_plugin_of_kubectl_speaks_of_itself_as_kubectl_does() {
        for (called, usage, example) in [
            ("dislodge", "Usage: dislodge lint", "\n  dislodge lint policies/"),
            (
                "/usr/bin/kubectl-dislodge",
                "Usage: kubectl dislodge lint",
                "| kubectl dislodge lint -",
            ),
            (
                "kubectl-dislodge.exe",
                "Usage: kubectl dislodge lint",
                "\n  kubectl dislodge lint policies/",
            ),
        ] {
            let words = [called, "lint", "--help"].map(OsString::from);
            let help = Args::parsed(words.to_vec()).unwrap_err().to_string();
            assert!(help.contains(usage) && help.contains(example), "{called}: {help}");
            assert!(!help.contains("kubectl kubectl"), "{help}");
        }
    }

    #[test]
    fn every_command_has_examples_in_its_help() {
        for command in Args::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = format!("dislodge {}", command.get_name());
            assert!(help.contains(&example), "{}: {help}", command.get_name());
        }
    }

    #[test]
    fn lint_takes_files_or_a_code_to_explain() {
        let lint = |flags: &[&str]| Args::try_parse_from(["dislodge", "lint"].iter().chain(flags));
        assert!(lint(&["-"]).is_ok() && lint(&["a", "b/"]).is_ok());
        assert!(lint(&["--explain", "DL201"]).is_ok());
        for (flags, advice) in [
            (&[][..], "<FILE>"),
            (&["--explain", "DL201", "a"], "cannot be used with"),
            (&["--explain", "DL9"], "docs/linting.md"),
            (&["--allow", "DL104", "a"], "an error cannot be left out"),
            (&["-o", "xml", "a"], "possible values: text, json, github, sarif"),
        ] {
            let error = lint(flags).unwrap_err();
            assert!(error.to_string().contains(advice), "{flags:?}: {error}");
            assert_eq!(error.exit_code(), 2, "{flags:?}");
        }
    }

    #[test]
    fn no_flag_is_needed() {
        let args = controller(&[]).unwrap();
        assert_eq!(args.lease_name, "dislodge");
        assert_eq!(args.probe_address, Listen::At("0.0.0.0:8081".parse().unwrap()));
        assert_eq!(args.metrics_address, Listen::At("0.0.0.0:8080".parse().unwrap()));
        assert_eq!(args.test_millis_per_second, None);
    }

    #[test]
    fn a_value_that_cannot_be_meant_is_refused_with_what_to_write() {
        for (flags, advice) in [
            (["--probe-address", "8081"], "such as 0.0.0.0:8081"),
            (["--metrics-address", "localhost"], "an IP address and a port"),
            (["--namespace", "Team_A"], "lower-case letters"),
            (["--lease-name", "../x"], "lower-case letters"),
            (["--log-format", "xml"], "possible values: text, json"),
            (["--test-millis-per-second", "0"], "1..=1000"),
        ] {
            let error = controller(&flags).unwrap_err().to_string();
            assert!(error.contains(advice), "{flags:?}: {error}");
        }
    }

    #[test]
    fn probes_and_metrics_can_be_switched_off() {
        let args = controller(&["--probe-address", "off", "--metrics-address", "off"]).unwrap();
        assert_eq!((args.probe_address, args.metrics_address), (Listen::Off, Listen::Off));
    }
}
