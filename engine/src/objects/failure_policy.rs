//! What the author of a Job wants done with Pods that fail: `podFailurePolicy` (KEP-3329).

use serde::{Deserialize, Deserializer, Serialize};

use super::decode;
use crate::keys;

/// A Job's `podFailurePolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodFailurePolicy {
    /// The rules; the first that matches decides.
    #[serde(deserialize_with = "decode::list")]
    pub rules: Vec<PodFailureRule>,
}

/// The policy, where [`PodFailurePolicy::end_of_pod`] has an answer: the others are not kept.
pub(super) fn about_us<'de, D>(deserializer: D) -> Result<Option<Box<PodFailurePolicy>>, D::Error>
where
    D: Deserializer<'de>,
{
    let policy = Option::<PodFailurePolicy>::deserialize(deserializer)?;
    Ok(policy.filter(|policy| policy.end_of_pod(false).is_some()).map(Box::new))
}

/// A rule of a Job's `podFailurePolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodFailureRule {
    /// `FailJob`, `FailIndex`, `Ignore` or `Count`.
    pub action: String,
    /// The exit codes that it is about.
    pub on_exit_codes: Option<ExitCodes>,
    /// The conditions of Pods that it is about.
    #[serde(deserialize_with = "decode::list")]
    pub on_pod_conditions: Vec<PodConditionPattern>,
}

/// The exit codes that a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExitCodes {
    /// `In` or `NotIn`.
    pub operator: String,
    /// The codes.
    #[serde(deserialize_with = "decode::list")]
    pub values: Vec<i32>,
}

/// A condition that a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodConditionPattern {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its status; absent means `True`.
    pub status: Option<String>,
}

/// What becomes of a Job with a Pod that was ended because of its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodEnd {
    /// The author's rule decides: the Job fails, the index fails, or the failure counts.
    Decided,
    /// The Job makes the Pod anew, without counting it: for ever.
    Ignored,
}

/// The exit code of a container that never started, once its Pod was ended (kubelet:
/// `ContainerStatusUnknown`; kubelet.md 5).
const NEVER_STARTED: i32 = 137;

impl PodFailurePolicy {
    /// What becomes of a Pod that carries our condition when it is ended. `None`: no rule names the
    /// condition, so that the author has not asked for it.
    ///
    /// The first rule that matches decides, and that may be one about exit codes that stands before
    /// the one that names our condition (live.md 3: it wins). `has_run`: a container of the Pod runs or
    /// has run. Its exit code can be any (143 for `SIGTERM`, or what the program makes of it), so that
    /// each rule about exit codes may match; one that ignores the Pod is then taken to.
    pub fn end_of_pod(&self, has_run: bool) -> Option<PodEnd> {
        let ours = |rule: &&PodFailureRule| rule.on_pod_conditions.iter().any(is_ours);
        self.rules.iter().find(ours)?;
        let first = self.rules.iter().find(|rule| {
            let codes = rule.on_exit_codes.as_ref();
            ours(rule)
                || codes.is_some_and(ExitCodes::hold_never_started)
                || has_run && codes.is_some() && rule.action == "Ignore"
        })?;
        Some(if first.action == "Ignore" { PodEnd::Ignored } else { PodEnd::Decided })
    }
}

impl ExitCodes {
    /// Which container a rule names does not matter: every container that has not started gets the
    /// code.
    fn hold_never_started(&self) -> bool {
        self.values.contains(&NEVER_STARTED) == (self.operator == "In")
    }
}

fn is_ours(pattern: &PodConditionPattern) -> bool {
    pattern.kind == keys::POD_CONDITION && pattern.status.as_deref().unwrap_or("True") == "True"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_rule_that_would_match_decides() {
        let ours = |action: &str| json!({"action": action, "onPodConditions": [{"type": "dislodge.dev/ImagePullFailed"}]});
        let codes = |action: &str, operator: &str, code: i32| json!({"action": action, "onExitCodes": {"operator": operator, "values": [code]}});
        let other = json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]});
        let off = json!({"action": "FailJob", "onPodConditions": [
            {"type": "dislodge.dev/ImagePullFailed", "status": "False"}]});
        let (decided, ignored) = (Some(PodEnd::Decided), Some(PodEnd::Ignored));
        let read = |rules: &serde_json::Value| -> PodFailurePolicy {
            serde_json::from_value(json!({"rules": rules})).unwrap()
        };
        // Once a container has run, its exit code can be any.
        for (rules, expected) in [
            (json!([codes("Ignore", "In", 143), ours("FailJob")]), ignored),
            (json!([codes("Ignore", "NotIn", 137), ours("FailJob")]), ignored),
            (json!([codes("Count", "In", 143), ours("FailJob")]), decided),
            (json!([ours("FailJob"), codes("Ignore", "In", 143)]), decided),
            (json!([other, ours("Count")]), decided),
            (json!([codes("Ignore", "In", 143)]), None),
        ] {
            assert_eq!(read(&rules).end_of_pod(true), expected, "{rules}");
        }
        for (rules, expected) in [
            (json!([]), None),
            (json!([codes("FailJob", "In", 137)]), None),
            (json!([off]), None),
            (json!([ours("FailJob")]), decided),
            (json!([ours("FailIndex")]), decided),
            (json!([ours("Ignore")]), ignored),
            (json!([other, ours("Count")]), decided),
            (json!([codes("Ignore", "In", 137), ours("FailJob")]), ignored),
            (json!([codes("Ignore", "NotIn", 42), ours("FailJob")]), ignored),
            (json!([codes("Ignore", "NotIn", 137), ours("FailJob")]), decided),
            (json!([codes("Ignore", "In", 42), ours("FailJob")]), decided),
            (json!([ours("FailJob"), codes("Ignore", "In", 137)]), decided),
            (json!([codes("Count", "In", 137), ours("Ignore")]), decided),
        ] {
            assert_eq!(read(&rules).end_of_pod(false), expected, "{rules}");
        }
    }
}
