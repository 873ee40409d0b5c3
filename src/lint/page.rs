//! `docs/linting.md`, and one code explained, out of the table of codes.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::code::{Code, Severity};

/// Where the page is kept.
pub const FILE: &str = "docs/linting.md";

const HEAD: &str = "\
<!-- Generated from src/lint/code.rs by `make generate`. Change that, not this file. -->

# What `dislodge lint` finds

`dislodge lint FILE...` reads policies without a cluster: files, folders (`*.yaml`, `*.yml` and `*.json` below
them) or standard input (`-`); YAML with one or many documents, JSON, and lists. Documents of other kinds are left out, and so are
the suites of `dislodge test` (`*.test.yaml`) below folders.
Every error of the codes DL104 to DL110 is what the API server would say of the same policy; all of them are told at
once, with line and column.

```sh
dislodge lint policies/                          # every policy below a folder
kubectl get ipp -A -o yaml | dislodge lint -     # what stands in a cluster
dislodge lint -o github policies/                # as annotations of a pull request
dislodge lint --explain DL201                    # why a finding matters
```

```console
$ dislodge lint examples/policies
6 policies in 6 files: nothing to say

```

| Exit code | Meaning |
|---|---|
| 0 | nothing was found that is as severe as `--fail-on` says (default: error) |
| 1 | something was |
| 2 | a file could not be read, or the command line cannot be meant |

`--allow CODE` leaves a warning or an advice out. Policies are compared with each other within a namespace;
those without `metadata.namespace` within their folder, or as one namespace with `--namespace`.
";

/// The page as Markdown.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for (severity, title, meaning) in [
        (
            Severity::Error,
            "Errors",
            "The API server refuses it, or the controller cannot carry it out.",
        ),
        (Severity::Warning, "Warnings", "It does otherwise than it seems to."),
        (Severity::Advice, "Advice", "It may well be meant; there is a reason to look."),
    ] {
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "\n## {title}\n\n{meaning}\n\n| Code | Name | What is found | Why it matters |\n|---|---|---|---|\n"
        );
        for code in Code::ALL.iter().filter(|code| code.severity() == severity) {
            let entry = code.entry();
            let _ = writeln!(
                page,
                "| {} | `{}` | {} | {} |",
                entry.id,
                entry.name,
                plain(entry.what),
                plain(entry.why)
            );
        }
    }
    page
}

/// Text in which Markdown finds nothing to emphasise.
fn plain(text: &str) -> String {
    text.replace('*', "\\*").replace('|', "\\|")
}

/// Writes what there is to say of one code.
pub(super) fn explain(code: Code, out: &mut impl Write) -> io::Result<()> {
    let entry = code.entry();
    let severity = code.severity().as_str();
    writeln!(out, "{} {} ({severity})\n\n{}\n{}", entry.id, entry.name, entry.what, entry.why)
}
