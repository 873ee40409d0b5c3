//! Every word that people meet as a reason or an outcome, as the code has it, and what the documents say of it.

use std::collections::BTreeSet;

use crate::Outcome;
use crate::deploy::{report, root};

/// The page with an entry, a heading of the third level, for each.
const PAGE: &str = "docs/troubleshooting.md";

/// Where words stand, and what stands before and behind them: in the arms of the exhaustive matches by which each
/// variant gets its word, and in constants. A new variant does not compile without an arm, and is found here.
const PLACES: [(&str, &[(&str, &str)]); 5] = [
    // Waits, reports and fallbacks.
    ("engine/src/plan.rs", &[("=> \"", "\","), (": &str = \"", "\";")]),
    // Why something was decided.
    ("engine/src/notice.rs", &[(": &str = \"", "\";")]),
    // What became of a write.
    ("engine/src/effect.rs", &[("=> \"", "\",")]),
    // Conditions of a policy.
    ("engine/src/api/condition.rs", &[(": &str = \"", "\";")]),
    // Events.
    ("engine/src/explain.rs", &[("pub const REASON: &str = \"", "\";"), ("reason: \"", "\",")]),
];

/// Types of conditions, which stand in one of these places and are no reasons.
const TYPES: [&str; 3] = ["Ready", "Stalled", "Reconciling"];

/// All of them.
pub(super) fn all() -> Result<BTreeSet<String>, String> {
    let mut all = BTreeSet::new();
    for (file, marks) in PLACES {
        let text =
            std::fs::read_to_string(root().join(file)).map_err(|e| format!("{file}: {e}"))?;
        // Tests have words of their own.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let before = all.len();
        for (start, end) in marks {
            let words = code.split(start).skip(1).filter_map(|rest| rest.split(end).next());
            all.extend(words.filter(|word| is_word(word)).map(str::to_owned));
        }
        if all.len() == before {
            return Err(format!("{file} has no words any more: correct PLACES"));
        }
    }
    all.retain(|word| !TYPES.contains(&word.as_str()));
    Ok(all)
}

/// One word in CamelCase.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_alphanumeric())
}

pub(super) fn explained() -> Outcome {
    let page = std::fs::read_to_string(root().join(PAGE))?;
    let entries: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let explained: BTreeSet<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
    let known = all()?;
    let mut wrong: Vec<String> =
        known.difference(&explained).map(|word| format!("{PAGE} has no entry {word}")).collect();
    wrong.extend(explained.difference(&known).map(|word| format!("{PAGE}: nobody says {word}")));
    if entries.len() != explained.len() {
        wrong.push(format!("{PAGE} has an entry twice"));
    }
    report(&wrong)
}
