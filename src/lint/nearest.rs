//! Which known word a mistyped one is nearest to.

/// What people write who know other systems, and what they mean here. Where two fields could be
/// meant, the words are not in the table.
const MEANT: [(&str, &str); 20] = [
    ("attempts", "failedPulls"),
    ("backoffLimit", "maxRequeues"),
    ("backoffSeconds", "backoffBaseSeconds"),
    ("cause", "causes"),
    ("circuitBreaker", "outage"),
    ("durationSeconds", "failingSeconds"),
    ("enforcementAction", "mode"),
    ("failures", "failedPulls"),
    ("holdSeconds", "hold"),
    ("localQueue", "queues"),
    ("localQueues", "queues"),
    ("maxActions", "actions"),
    ("maxRetries", "maxRequeues"),
    ("peers", "runningPeers"),
    ("pulls", "failedPulls"),
    ("queue", "queues"),
    ("queueName", "queues"),
    ("reasons", "causes"),
    ("seconds", "failingSeconds"),
    ("then", "afterwards"),
];
/// How alike two words have to be (Jaro-Winkler, from 0 to 1).
const ALIKE: f64 = 0.85;
/// Longer words are no typing mistakes, and comparing them takes long.
const LONGEST: usize = 64;

/// The word that is most likely meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let known: Vec<&str> = known.into_iter().collect();
    let meant = MEANT.iter().find(|(written, _)| written.eq_ignore_ascii_case(word));
    if let Some(found) = meant.and_then(|(_, meant)| known.iter().find(|known| *known == meant)) {
        return Some(found);
    }
    let scored = known.into_iter().map(|known| (likeness(word, known), known));
    scored
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// Whether a word is most likely a mistyped other one.
pub(super) fn is_near(word: &str, known: &str) -> bool {
    word != known && word.len() <= LONGEST && likeness(word, known) >= 0.95
}

fn likeness(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(&a.to_lowercase(), &b.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_is_told_from_a_strange_one() {
        let fields = ["mode", "queues", "rules", "hold", "requeue", "outage", "budget"];
        for (word, expected) in [
            ("queue", Some("queues")),
            ("Queues", Some("queues")),
            ("rule", Some("rules")),
            ("moed", Some("mode")),
            ("requeues", Some("requeue")),
            ("bugdet", Some("budget")),
            ("localQueue", Some("queues")),
            ("replicas", None),
            ("imagePullPolicy", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, fields), expected, "{word}");
        }
        assert_eq!(nearest(&"q".repeat(1 << 20), fields), None);
    }

    #[test]
    fn only_a_kind_that_is_nearly_ours_is_near() {
        assert!(is_near("ImagePullPolicies", "ImagePullPolicy"));
        assert!(is_near("imagepullpolicy", "ImagePullPolicy"));
        for kind in ["ImagePolicy", "Job", "ImagePullSecret", "ImagePullPolicy"] {
            assert!(!is_near(kind, "ImagePullPolicy"), "{kind}");
        }
    }
}
