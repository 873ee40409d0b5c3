//! What an expression of PromQL asks for. promtool says whether it is one; here it is only taken apart.

use std::collections::BTreeSet;

use crate::Outcome;

/// What our metrics begin with.
pub(super) const OURS: &str = "dislodge_";
/// Words with a list of labels behind them.
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// The parts of an expression that name something.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Each of our metrics, with what is asked of its labels.
    pub(super) metrics: Vec<(String, Vec<Matcher>)>,
    /// Labels by which something is grouped or joined.
    pub(super) grouped: BTreeSet<String>,
}

/// What is asked of a label.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Matcher {
    pub(super) label: String,
    /// The values that are meant, taken apart where they are alternatives.
    pub(super) values: Vec<String>,
}

/// Takes an expression apart.
pub(super) fn parts(expression: &str) -> Parts {
    let mut parts = Parts::default();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            rest = quoted(rest).1;
        } else if first.is_ascii_alphabetic() || first == '_' {
            let (word, behind) = word(rest);
            rest = behind;
            if word.starts_with(OURS) {
                let (matchers, behind) = matchers(rest);
                parts.metrics.push((word.to_owned(), matchers));
                rest = behind;
            } else if GROUPINGS.contains(&word)
                && let Some((list, behind)) =
                    rest.trim_start().strip_prefix('(').and_then(|list| list.split_once(')'))
            {
                let labels = list.split(',').map(str::trim).filter(|label| !label.is_empty());
                parts.grouped.extend(labels.map(str::to_owned));
                rest = behind;
            }
        } else {
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    parts
}

/// The word at the beginning, and what follows.
pub(super) fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

/// A text in quotes at the beginning, without them, and what follows.
fn quoted(text: &str) -> (&str, &str) {
    let inside = text.strip_prefix('"').unwrap_or(text);
    inside.split_once('"').unwrap_or((inside, ""))
}

/// The matchers in braces at the beginning, if there are any, and what follows.
fn matchers(text: &str) -> (Vec<Matcher>, &str) {
    let mut found = Vec::new();
    let Some(mut rest) = text.trim_start().strip_prefix('{') else { return (found, text) };
    loop {
        rest = rest.trim_start_matches([' ', ',', '\n']);
        if let Some(behind) = rest.strip_prefix('}') {
            return (found, behind);
        }
        let (label, behind) = word(rest);
        if label.is_empty() {
            return (found, rest);
        }
        let (value, behind) = quoted(behind.trim_start_matches(['=', '!', '~', ' ']));
        let values = value.split('|').map(str::to_owned).collect();
        found.push(Matcher { label: label.to_owned(), values });
        rest = behind;
    }
}

pub(super) fn are_taken_apart() -> Outcome {
    let found = parts(
        "sum by (namespace, le) (rate(dislodge_a_total{code=~\"5xx|none\", queue!=\"x{}\"}[10m]))\n\
         / on (namespace) dislodge_b offset 5m > \"dislodge_c\"",
    );
    let matcher = |label: &str, values: &[&str]| Matcher {
        label: label.to_owned(),
        values: values.iter().map(|&value| value.to_owned()).collect(),
    };
    let expected = Parts {
        metrics: vec![
            (
                "dislodge_a_total".to_owned(),
                vec![matcher("code", &["5xx", "none"]), matcher("queue", &["x{}"])],
            ),
            ("dislodge_b".to_owned(), Vec::new()),
        ],
        grouped: ["namespace", "le"].map(str::to_owned).into(),
    };
    if found == expected { Ok(()) } else { Err(format!("{found:?}").into()) }
}
