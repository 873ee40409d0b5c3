//! What the table in `tests/integration/crd` does not show: words for people, and all mistakes at once.

use serde_json::json;

use super::*;

fn policy(spec: &Value) -> Value {
    json!({
        "apiVersion": crate::api::API_VERSION,
        "kind": crate::api::KIND,
        "metadata": {"name": "case"},
        "spec": spec,
    })
}

/// Field and server's words.
fn said(refusals: &[Refusal]) -> Vec<(&str, String)> {
    refusals.iter().map(|refusal| (refusal.field.as_str(), refusal.message())).collect()
}

#[test]
fn every_mistake_is_told_also_what_the_server_would_tell_later() {
    let wrong = policy(&json!({
        "mode": "Warn",
        "queue": "gpu",
        "queues": [{"kind": "LocalQueue"}],
        "rules": [{"name": "a", "causes": ["DiskFull"], "threshold": {}, "action": "FailJob"}],
    }));
    let server = create(wrong.clone()).unwrap_err();
    assert_eq!(said(&server), [("spec.queue", "unknown field".to_owned())]);
    let fields: Vec<String> = every_mistake(&wrong).into_iter().map(|r| r.field).collect();
    assert_eq!(
        fields,
        [
            "spec.queue",
            "spec.mode",
            "spec.rules[0].threshold.failedPulls",
            "spec.queues[0].name",
            "spec.rules[0].action",
        ]
    );
}

#[test]
fn what_has_no_mistake_is_accepted() {
    let right = policy(&json!({"queues": [{"kind": "NoQueue"}]}));
    assert_eq!(every_mistake(&right), []);
    assert!(create(right).is_ok());
}

#[test]
fn a_refusal_says_what_is_wrong_and_what_to_do() {
    let rule = |threshold: Value| {
        json!({"queues": [{"kind": "NoQueue"}], "rules": [
            {"name": "a", "causes": ["Tls"], "threshold": threshold, "action": "Report"},
        ]})
    };
    for (spec, wrong, advice) in [
        (
            json!({"queues": [{"kind": "NoQueue"}], "mode": "Warn"}),
            "none of the values",
            "\"Audit\"",
        ),
        (
            rule(json!({"failedPulls": "3"})),
            "is text, but has to be a whole number",
            "without quotes",
        ),
        (rule(json!({"failedPulls": 101})), "101 is more than 100", "at most 100"),
        (rule(json!({})), "`failedPulls` is missing", "add `failedPulls`"),
        (rule(json!({"failedPulls": 1, "x": 1})), "no field `x`", "failedPulls, failingSeconds"),
        (
            json!({"queues": [{"kind": "LocalQueue"}]}),
            "needs a name",
            "set it to the LocalQueue's name",
        ),
        (json!({"queues": {}}), "an object with fields, but has to be a list", "behind '- '"),
        (json!({"queues": []}), "has 0 items", "add what is missing"),
    ] {
        let refusals = every_mistake(&policy(&spec));
        let words = refusals[0].words();
        assert_eq!(refusals.len(), 1, "{spec}: {refusals:?}");
        assert!(words.wrong.contains(wrong), "{words:?}");
        assert!(words.advice.contains(advice), "{words:?}");
    }
}

#[test]
fn a_name_is_a_dns_subdomain_and_there_is_one() {
    for (metadata, expected) in [
        (json!({"name": "gpu.team-a"}), None),
        (json!({"generateName": "gpu-"}), None),
        (json!({}), Some("Required value: name or generateName is required")),
        (json!({"name": "GPU"}), Some("Invalid value: \"GPU\": a lowercase RFC 1123 subdomain")),
        (json!({"name": "a".repeat(254)}), Some("must be no more than 253 bytes")),
    ] {
        let mut object = policy(&json!({"queues": [{"kind": "NoQueue"}]}));
        object["metadata"] = metadata.clone();
        match (create(object), expected) {
            (Ok(_), None) => {}
            (Err(refusals), Some(expected)) => {
                assert!(refusals[0].message().contains(expected), "{refusals:?}");
                assert_eq!(refusals[0].field, "metadata.name");
            }
            (verdict, _) => panic!("{metadata}: {verdict:?}"),
        }
    }
}

#[test]
fn a_number_beyond_its_format_is_remarked_as_the_server_does() {
    let mut object = policy(&json!({"queues": [{"kind": "NoQueue"}]}));
    object["status"] = json!({"heldJobs": 3_000_000_000_u64});
    assert_eq!(
        said(&status(object).unwrap_err()),
        [(
            "<nil>",
            "Invalid value: \"\": Checked value must be of type integer with format int32 in heldJobs"
                .to_owned()
        )]
    );
}

#[test]
fn a_whole_number_is_stored_without_its_point() {
    let stored =
        create(policy(&json!({"queues": [{"kind": "NoQueue"}], "budget": {"actions": 3.0}})));
    assert_eq!(stored.unwrap()["spec"]["budget"]["actions"], json!(3));
}

#[test]
fn an_update_keeps_the_status_that_is_stored() {
    let mut stored = policy(&json!({"queues": [{"kind": "NoQueue"}]}));
    stored["status"] = json!({"observedGeneration": 7});
    let mut new = policy(&json!({"queues": [{"kind": "LocalQueue", "name": "gpu"}]}));
    new["status"] = json!({"observedGeneration": 9});
    assert_eq!(update(&stored, new).unwrap()["status"], json!({"observedGeneration": 7}));
}

#[test]
fn what_is_no_object_is_refused_and_never_a_panic() {
    for value in
        [json!(null), json!([]), json!("x"), json!({"spec": [1, {"queues": 3}]}), json!(1.5)]
    {
        assert!(create(value.clone()).is_err(), "{value}");
        assert!(!every_mistake(&value).is_empty(), "{value}");
    }
}

#[test]
fn a_list_of_a_hundred_thousand_mistakes_is_told_in_a_bounded_list() {
    let causes: Vec<String> = (0..100_000).map(|number| format!("x{number}")).collect();
    let rule =
        json!({"name": "a", "causes": causes, "threshold": {"failedPulls": 1}, "action": "Report"});
    let object = policy(&json!({"queues": [{"kind": "NoQueue"}], "rules": [rule]}));
    assert_eq!(every_mistake(&object).len(), MOST);
}
