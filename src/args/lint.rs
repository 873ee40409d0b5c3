//! What is typed behind `dislodge lint`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::name;
use crate::lint::{Code, Severity};

/// What is typed behind `dislodge lint`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge lint policies/                          every policy below a folder\n  \
    kubectl get ipp -A -o yaml | dislodge lint -     what stands in a cluster\n  \
    kustomize build . | dislodge lint --queue-width 64 -\n  \
    dislodge lint -o github policies/                as annotations of a pull request\n  \
    dislodge lint -o sarif policies/ >lint.sarif     for code scanning\n  \
    dislodge lint --explain DL201                    why a finding matters\n\n\
    No cluster is asked. All codes are in docs/linting.md.\n\
    Exit code: 0 where nothing is found that is as severe as --fail-on says, 1 where something is,\n\
    2 where a file cannot be read or the command line cannot be meant.")]
pub struct LintArgs {
    /// Files, folders (*.yaml, *.yml and *.json below them), or '-' for standard input
    #[arg(value_name = "FILE", required_unless_present = "explain")]
    pub files: Vec<PathBuf>,

    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: LintOutput,

    /// The least severity that makes the exit code 1
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    pub fail_on: Severity,

    /// Leave a warning or an advice out: its code, or several with ',' between them
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = allowed)]
    pub allow: Vec<Code>,

    /// Namespace of the policies that name none [default: those of one folder are compared]
    #[arg(short, long, value_name = "NAMESPACE", value_parser = name)]
    pub namespace: Option<String>,

    /// How many jobs the widest queue runs at once, to compare the budget with
    #[arg(long, value_name = "JOBS", value_parser = clap::value_parser!(u32).range(1..))]
    pub queue_width: Option<u32>,

    /// Say what a code means, and read no file
    #[arg(long, value_name = "CODE", conflicts_with = "files")]
    pub explain: Option<Code>,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LintOutput {
    /// For people, in colour on a terminal unless NO_COLOR is set
    Text,
    /// One JSON object
    Json,
    /// Workflow commands of GitHub Actions
    Github,
    /// SARIF 2.1.0
    Sarif,
}

fn allowed(text: &str) -> Result<Code, String> {
    match text.parse::<Code>()? {
        code if code.severity() == Severity::Error => {
            Err("an error cannot be left out: mend it".to_owned())
        }
        code => Ok(code),
    }
}
