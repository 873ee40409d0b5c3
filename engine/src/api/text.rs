//! Bounds of the strings and lists of the API, and how a writer keeps to them.
//!
//! The API server refuses a whole status for one string that is too long, so whoever writes a
//! status clips what comes from elsewhere.

/// The bounds themselves. Strings are measured in characters, as the API server does.
pub mod bounds {
    /// Names of objects: a DNS subdomain.
    pub const OBJECT_NAME: usize = 253;
    /// Names of rules: a DNS label, so that a name fits into labels, reasons and metrics.
    pub const RULE_NAME: usize = 63;
    /// Uids of objects.
    pub const UID: usize = 64;
    /// Image references. The longest valid one (a name of 255, a tag of 128, a digest) fits.
    pub const IMAGE: usize = 512;
    /// Registry hosts with their port: a DNS name and six characters.
    pub const HOST: usize = 260;
    /// Reasons in CamelCase.
    pub const REASON: usize = 64;
    /// Messages of conditions (Kubernetes: `metav1.Condition`).
    pub const CONDITION_MESSAGE: usize = 32_768;
    /// Reasons of conditions (Kubernetes: `metav1.Condition`).
    pub const CONDITION_REASON: usize = 1024;
    /// Types of conditions (Kubernetes: `metav1.Condition`).
    pub const CONDITION_TYPE: usize = 316;
    /// Conditions of a policy.
    pub const CONDITIONS: usize = 8;
    /// Queues that a policy names.
    pub const QUEUES: usize = 16;
    /// Rules of a policy.
    pub const RULES: usize = 16;
    /// Entries of `status.failing`.
    pub const FAILING: usize = 50;
    /// Entries of `status.outages`.
    pub const OUTAGES: usize = 50;
    /// Entries of `status.recentActions`.
    pub const RECENT_ACTIONS: usize = 10;
}

/// The text, or as much of its beginning as fits into `max` characters, ending in `…` where
/// something is missing.
pub fn clip(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut clipped: String = text.chars().take(max.saturating_sub(1)).collect();
    if max > 0 {
        clipped.push('…');
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::clip;

    #[test]
    fn a_clipped_text_never_exceeds_its_bound_and_says_that_it_was_clipped() {
        for (text, max, expected) in [
            ("", 0, ""),
            ("", 4, ""),
            ("team", 4, "team"),
            ("teams", 4, "tea…"),
            ("äöüß", 4, "äöüß"),
            ("äöüßx", 4, "äöü…"),
            ("x", 0, ""),
            ("xy", 1, "…"),
        ] {
            assert_eq!(clip(text, max), expected, "clip({text:?}, {max})");
        }
    }
}
