//! Each code with policies that it is found in, and with their neighbours that it is not.

use super::*;

fn arguments() -> LintArgs {
    LintArgs {
        files: Vec::new(),
        output: crate::args::LintOutput::Text,
        fail_on: Severity::Error,
        allow: Vec::new(),
        namespace: None,
        queue_width: None,
        explain: None,
    }
}

/// What is found in files of these names and texts.
fn found(files: &[(&str, &str)], args: &LintArgs) -> Vec<Finding> {
    let (mut findings, mut tally, mut claims) = (Vec::new(), Tally::default(), Claims::default());
    for (name, text) in files {
        let input = Input::of_test(name);
        check_file(&input, text, args, &mut claims, &mut tally, &mut findings);
    }
    findings
}

/// Codes and fields, in order.
fn codes(findings: &[Finding]) -> Vec<(&'static str, &str)> {
    let mut codes: Vec<_> =
        findings.iter().map(|finding| (finding.code.id(), finding.field.as_str())).collect();
    codes.sort_unstable();
    codes
}

/// A policy with nothing to say of, of which these lines of the spec are added.
fn policy(spec: &str) -> String {
    let spec = spec.replace('\n', "\n  ");
    let queues = if spec.starts_with("queues:") { "" } else { "\n  queues: [{kind: NoQueue}]" };
    format!(
        "apiVersion: dislodge.dev/v1alpha1\nkind: ImagePullPolicy\nmetadata: {{name: a}}\nspec:\n  \
         mode: Enforce{queues}\n  {spec}\n"
    )
}

/// A rule for these causes, and a last one that reports all others.
fn rule(causes: &[&str], threshold: &str, action: &str) -> String {
    use dislodge_engine::cause::Cause;
    let rest: Vec<&str> = Cause::ALL
        .iter()
        .map(|cause| cause.as_str())
        .filter(|cause| *cause != "NodeThrottled" && !causes.contains(cause))
        .collect();
    format!(
        "rules:\n- {{name: one, causes: [{}], threshold: {{{threshold}}}, action: {action}}}\n\
         - {{name: rest, causes: [{}], threshold: {{failedPulls: 3}}, action: Report}}",
        causes.join(", "),
        rest.join(", ")
    )
}

#[test]
fn each_code_is_found_where_it_belongs_and_nowhere_else() {
    let missing = |threshold: &str, action: &str| rule(&["NotFound"], threshold, action);
    let network = |threshold: &str, action: &str| rule(&["Network"], threshold, action);
    let several = |lines: &[&str]| lines.join("\n");
    let plain = missing("failedPulls: 3", "SuspendJob");
    let seconds = "spec.rules[0].threshold.failingSeconds";
    let pulls = "spec.rules[0].threshold.failedPulls";
    let action = "spec.rules[0].action";
    for (spec, expected) in [
        (plain.clone(), &[][..]),
        (String::new(), &[]),
        // What the API server refuses.
        ("modes: x".to_owned(), &[("DL104", "spec.modes")]),
        ("queues: []".to_owned(), &[("DL108", "spec.queues")]),
        ("queues: {kind: NoQueue}".to_owned(), &[("DL104", "spec.queues.kind"), ("DL106", "spec.queues")]),
        ("queues: [{kind: LocalQueue}]".to_owned(), &[("DL110", "spec.queues[0].name")]),
        ("queues: [{kind: NoQueue, name: x}]".to_owned(), &[("DL110", "spec.queues[0].name")]),
        ("queues: [{name: x}]".to_owned(), &[("DL105", "spec.queues[0].kind")]),
        ("budget: {actions: many}".to_owned(), &[("DL106", "spec.budget.actions")]),
        ("requeue: {afterwards: RequeueJob}".to_owned(), &[("DL107", "spec.requeue.afterwards")]),
        (missing("failedPulls: 3", "FailJob") + "\n- {name: rest, causes: [Tls], threshold: {failedPulls: 3}, action: Report}", &[("DL109", "spec.rules[2]"), ("DL201", "spec.rules[2]")]),
        // What it cannot see.
        (missing("failedPulls: 3", "SuspendJob") + "\n- {name: c, causes: [NotFound, Tls], threshold: {failedPulls: 3}, action: Report}", &[("DL201", "spec.rules[2]")]),
        ("rules:\n- {name: a, causes: [NotFound], threshold: {failedPulls: 3}, action: Report}\n- {name: b, causes: [NotFound, Tls], threshold: {failedPulls: 3}, action: Report}".to_owned(), &[("DL202", "spec.rules[1].causes[0]"), ("DL303", "spec.rules")]),
        (missing("failedPulls: 16", "SuspendJob"), &[]),
        (missing("failedPulls: 17", "SuspendJob"), &[("DL203", pulls)]),
        (missing("failedPulls: 17", "Report"), &[]),
        (missing("failedPulls: 3, failingSeconds: 3700", "SuspendJob"), &[("DL203", seconds), ("DL302", seconds)]),
        (network("failedPulls: 2", "RequeueJob"), &[]),
        (several(&[&network("failedPulls: 2", "RequeueJob"), "requeue: {failedPulls: 3}"]), &[("DL204", pulls)]),
        (several(&[&network("failedPulls: 3", "RequeueJob"), "requeue: {maxRequeues: 100, backoffMaxSeconds: 86400}"]), &[("DL205", "spec.requeue")]),
        (several(&[&plain, "hold: {maxSeconds: 599}"]), &[("DL206", "spec.hold.maxSeconds")]),
        (several(&[&plain, "hold: {maxSeconds: 600}"]), &[]),
        (rule(&["InvalidReference"], "failedPulls: 2", "RequeueJob"), &[("DL207", action)]),
        (missing("failedPulls: 3", "RequeueJob"), &[]),
        (network("failedPulls: 3", "FailJob"), &[("DL208", action)]),
        (missing("failedPulls: 3", "FailJob"), &[]),
        (several(&[&network("failedPulls: 1", "RequeueJob"), "requeue: {failedPulls: 1}"]), &[("DL209", pulls)]),
        (missing("failedPulls: 1", "SuspendJob"), &[]),
        (missing("failedPulls: 6, failingSeconds: 310", "SuspendJob"), &[("DL301", seconds)]),
        (missing("failedPulls: 6, failingSeconds: 311", "SuspendJob"), &[("DL302", seconds)]),
        (missing("failedPulls: 4, failingSeconds: 300", "SuspendJob"), &[]),
        // The kubelet says it once, so that any number of pulls is reached.
        (rule(&["NeverPullAbsent"], "failedPulls: 90", "SuspendJob"), &[]),
        (several(&[&plain, "budget: {actions: 4}"]), &[("DL305", "spec.outage.distinctJobs")]),
        (several(&[&plain, "budget: {actions: 5}"]), &[]),
        (several(&["queues: [{kind: NoQueue}, {kind: LocalQueue, name: b}, {kind: LocalQueue, name: c}]", "outage: {distinctJobs: 2}", "budget: {actions: 2}"]), &[("DL304", "spec.budget.actions")]),
        (several(&[&missing("failedPulls: 3", "FailJob"), "hold: {maxSeconds: 86400}"]), &[("DL306", "spec.hold.maxSeconds")]),
        (several(&[&network("failedPulls: 3", "RequeueJob"), "hold: {maxSeconds: 86400}"]), &[]),
        (several(&[&network("failedPulls: 3", "RequeueJob"), "hold: {maxSeconds: 86400}", "requeue: {afterwards: FailJob}"]), &[("DL306", "spec.hold.maxSeconds")]),
        (several(&[&plain, "requeue: {maxRequeues: 3}"]), &[("DL307", "spec.requeue")]),
        (network("failedPulls: 3", "SuspendJob"), &[("DL310", action)]),
        (rule(&["Unauthorized"], "failedPulls: 3", "SuspendJob"), &[]),
    ] {
        let text = policy(&spec);
        let findings = found(&[("a.yaml", &text)], &arguments());
        assert_eq!(codes(&findings), expected, "{text}{findings:?}");
    }
}

#[test]
fn the_example_of_each_code_is_in_a_test() {
    // The codes that need more than one policy, another width, or a file that cannot be read.
    let elsewhere = ["DL100", "DL101", "DL102", "DL103", "DL111", "DL112", "DL308", "DL309"];
    let table = include_str!("tests.rs");
    for code in Code::ALL.iter().map(|code| code.id()) {
        assert!(elsewhere.contains(&code) || table.contains(&format!("(\"{code}\", ")), "{code}");
    }
}

#[test]
fn two_policies_may_not_claim_one_queue_of_a_namespace() {
    let one = |name: &str, namespace: &str, queue: &str| {
        format!(
            "---\napiVersion: dislodge.dev/v1alpha1\nkind: ImagePullPolicy\nmetadata: {{name: {name}, \
             namespace: {namespace}}}\nspec:\n  mode: Audit\n  queues: [{{kind: LocalQueue, name: {queue}}}]\n"
        )
    };
    let gpu = one("a", "team", "gpu");
    for (files, expected) in [
        (
            vec![("a.yaml", gpu.clone()), ("b/b.yaml", one("b", "team", "gpu"))],
            &[("DL111", "spec.queues[0]")][..],
        ),
        (vec![("a.yaml", gpu.clone() + &one("b", "team", "gpu"))], &[("DL111", "spec.queues[0]")]),
        (vec![("a.yaml", gpu.clone()), ("b.yaml", one("b", "team", "'*'"))], &[]),
        (vec![("a.yaml", gpu.clone()), ("b.yaml", one("b", "other", "gpu"))], &[]),
        (
            vec![("a.yaml", gpu.clone()), ("b.yaml", one("a", "team", "gpu"))],
            &[("DL112", "metadata.name")],
        ),
        // Without a namespace those of one folder are compared: overlays have folders of their own.
        (
            vec![("x/a.yaml", one("a", "null", "gpu")), ("x/b.yaml", one("b", "null", "gpu"))],
            &[("DL111", "spec.queues[0]")],
        ),
        (vec![("x/a.yaml", one("a", "null", "gpu")), ("y/b.yaml", one("b", "null", "gpu"))], &[]),
    ] {
        let files: Vec<(&str, &str)> = files.iter().map(|(n, text)| (*n, text.as_str())).collect();
        assert_eq!(codes(&found(&files, &arguments())), expected, "{files:?}");
    }
    let files = [("x/a.yaml", one("a", "null", "gpu")), ("y/b.yaml", one("b", "null", "gpu"))];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let args = LintArgs { namespace: Some("team".to_owned()), ..arguments() };
    assert_eq!(codes(&found(&files, &args)), [("DL111", "spec.queues[0]")]);
}

#[test]
fn a_budget_is_compared_with_the_queue_where_its_width_is_known() {
    let text = policy("budget: {actions: 20}");
    for (width, expected) in
        [(None, &[][..]), (Some(20), &[]), (Some(21), &[("DL304", "spec.budget.actions")])]
    {
        let args = LintArgs { queue_width: width, ..arguments() };
        assert_eq!(codes(&found(&[("a.yaml", &text)], &args)), expected, "{width:?}");
    }
}

#[test]
fn a_document_under_another_name_is_told_what_it_should_be() {
    for (version, kind, expected) in [
        ("dislodge.dev/v1alpha1", "ImagePullPolicies", &[("DL103", "kind")][..]),
        ("dislodge.dev/v1alpha1", "imagePullPolicy", &[("DL103", "kind")]),
        ("dislodge.dev/v1alpha1", "ClusterThing", &[("DL103", "kind")]),
        ("dislodge.dev/v1", "ImagePullPolicy", &[("DL103", "apiVersion")]),
        ("v1", "ImagePullPolicy", &[("DL103", "apiVersion")]),
        ("batch/v1", "Job", &[("DL102", "")]),
        ("kustomize.toolkit.fluxcd.io/v1", "ImagePolicy", &[("DL102", "")]),
    ] {
        let text =
            format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{}}\n");
        assert_eq!(codes(&found(&[("a.yaml", &text)], &arguments())), expected, "{version} {kind}");
    }
    for (text, expected) in [
        ("", "there is nothing in it"),
        ("---\n---\n", "there is nothing in it"),
        ("hello", "but text"),
        ("[1, 2]", "but a whole number"),
        ("a: 1", "a document without `kind`"),
    ] {
        let findings = found(&[("a.yaml", text)], &arguments());
        assert_eq!(codes(&findings), [("DL102", "")], "{text}");
        assert!(findings[0].wrong.contains(expected), "{text}: {findings:?}");
    }
}

#[test]
fn lists_are_taken_apart_and_their_items_may_have_what_the_server_wrote() {
    let item = |kind: &str| {
        format!(
            "{{{kind}metadata: {{name: a, uid: x, resourceVersion: \"7\"}}, status: {{heldJobs: 0}}, \
             spec: {{queues: [{{kind: NoQueue}}], mode: Warn}}}}"
        )
    };
    let told = item("apiVersion: dislodge.dev/v1alpha1, kind: ImagePullPolicy, ");
    for text in [
        format!("kind: List\nitems:\n- {told}\n- {{kind: Job}}\n"),
        format!("kind: ImagePullPolicyList\nitems:\n- {}\n", item("")),
        format!("kind: ImagePullPolicyList\nitems:\n- {told}\n"),
    ] {
        let findings = found(&[("a.yaml", &text)], &arguments());
        assert_eq!(codes(&findings), [("DL107", "spec.mode")], "{text}");
        assert_eq!(findings[0].at.line, 3, "{text}");
    }
    let findings = found(&[("a.yaml", &told)], &arguments());
    assert_eq!(
        codes(&findings),
        [
            ("DL107", "spec.mode"),
            ("DL309", "metadata.resourceVersion"),
            ("DL309", "metadata.uid"),
            ("DL309", "status"),
        ]
    );
}

#[test]
fn a_policy_without_a_mode_is_told_that_it_only_reports() {
    let text = policy("").replace("mode: Enforce", "mode:");
    assert_eq!(codes(&found(&[("a.yaml", &text)], &arguments())), [("DL308", "spec")]);
}

#[test]
fn a_mistyped_word_is_told_what_was_meant() {
    for (spec, expected) in [
        ("queue: gpu", "did you mean `queues`?"),
        ("bugdet: {}", "did you mean `budget`?"),
        ("requeue: {maxRetries: 3}", "did you mean `maxRequeues`?"),
        ("requeue: {afterwards: Suspend}", "did you mean \"SuspendJob\"?"),
        ("rules: [{name: a, causes: [ErrImagePull]}]", "a reason of the kubelet"),
        ("rules: [{name: a, causes: [notfound]}]", "did you mean \"NotFound\"?"),
    ] {
        let findings = found(&[("a.yaml", &policy(spec))], &arguments());
        assert!(findings.iter().any(|f| f.advice.contains(expected)), "{spec}: {findings:?}");
    }
}

#[test]
fn broken_syntax_is_told_with_its_place_and_in_plain_words() {
    for (text, line, column) in [
        ("a: [1,\n", 1, 4),
        ("a: 1\na: 2\n", 2, 1),
        ("a: b: c\n", 1, 5),
        ("a:\n\t- x\n", 2, 2),
        ("{\"a\": 1", 1, 1),
        ("a: *nowhere\n", 1, 4),
    ] {
        let findings = found(&[("a.yaml", text)], &arguments());
        assert_eq!(codes(&findings), [("DL101", "")], "{text}");
        let Finding { at, wrong, .. } = &findings[0];
        assert!(!wrong.contains("Options") && !wrong.contains("at line"), "{text}: {wrong}");
        assert_eq!((at.line, at.column), (line, column), "{text}: {wrong}");
    }
}
