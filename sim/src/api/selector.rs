//! Which objects are meant: selectors of labels and of fields.

use serde_json::Value;

use super::kinds::Kind;
use super::refusal::Refusal;

/// Both selectors of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

/// What one part of a selector asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

/// The fields that objects of every kind, or of one kind alone, can be selected by (Kubernetes:
/// `AddFieldLabelConversionFunc`s of the groups). Of the fields of Pods these are the ones in use.
const FIELDS: &[(&str, &[&str])] = &[
    ("", &["metadata.name", "metadata.namespace"]),
    (
        "Pod",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
    ),
    ("Node", &["spec.unschedulable"]),
    ("Namespace", &["status.phase"]),
    ("Job", &["status.successful"]),
    (
        "Event",
        &[
            "reason",
            "type",
            "reportingController",
            "reportingComponent",
            "regarding.apiVersion",
            "regarding.fieldPath",
            "regarding.kind",
            "regarding.name",
            "regarding.namespace",
            "regarding.resourceVersion",
            "regarding.uid",
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.resourceVersion",
            "involvedObject.uid",
        ],
    ),
];

impl Selector {
    /// Reads the parameters `labelSelector` and `fieldSelector`.
    ///
    /// # Errors
    /// Where they cannot be read, or a kind cannot be selected by a field.
    pub(super) fn read(
        kind: &Kind,
        labels: Option<&str>,
        fields: Option<&str>,
    ) -> Result<Self, Refusal> {
        let (label_text, field_text) = (labels.unwrap_or_default(), fields.unwrap_or_default());
        let labels = split(label_text).into_iter().map(label).collect::<Option<Vec<_>>>();
        let labels = labels.ok_or_else(|| {
            Refusal::bad_request(format!("unable to parse requirement: {label_text}"))
        })?;
        let read = |part| {
            equation(part).ok_or_else(|| {
                let why = format!("can't understand '{part}'");
                Refusal::bad_request(format!("invalid selector: '{field_text}'; {why}"))
            })
        };
        let fields = split(field_text).into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        for Requirement { key, .. } in &fields {
            let known = FIELDS.iter().any(|(of, fields)| {
                (of.is_empty() || *of == kind.name) && fields.contains(&key.as_str())
            });
            if !known {
                let message = match kind.name {
                    "Job" => format!("field label {key:?} not supported for Job"),
                    "CronJob" | "Lease" => format!(
                        "{key:?} is not a known field selector: only \"metadata.name\", \
                         \"metadata.namespace\""
                    ),
                    _ => format!("field label not supported: {key}"),
                };
                return Err(Refusal::bad_request(message));
            }
        }
        Ok(Self { labels, fields })
    }

    /// Whether every object is meant.
    pub(super) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Only the object of that name.
    pub(super) fn named(name: &str) -> Self {
        let wanted = Wanted::In(vec![name.to_owned()]);
        let fields = vec![Requirement { key: "metadata.name".to_owned(), wanted }];
        Self { labels: Vec::new(), fields }
    }

    /// Whether the object, as it is sent, is meant.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| object.pointer("/metadata/labels")?.get(key)?.as_str();
        let labels = self.labels.iter().all(|wanted| wanted.holds(label(&wanted.key)));
        // A field that is not there reads as empty.
        let field = |key: &str| match at(object, key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(true)) => "true".to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            _ => defaulted(key).to_owned(),
        };
        labels && self.fields.iter().all(|wanted| wanted.holds(Some(&field(&wanted.key))))
    }
}

/// What a field that is left out is compared as.
fn defaulted(field: &str) -> &'static str {
    match field {
        "status.successful" => "0",
        "spec.unschedulable" => "false",
        _ => "",
    }
}

fn at<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    let field = match field {
        "status.successful" => "status.succeeded",
        other => other,
    };
    field.split('.').try_fold(object, |value, step| value.get(step))
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let is_in = |wanted: &[String]| value.is_some_and(|v| wanted.iter().any(|w| w == v));
        match &self.wanted {
            Wanted::In(wanted) => is_in(wanted),
            Wanted::NotIn(wanted) => !is_in(wanted),
            Wanted::Exists => value.is_some(),
            Wanted::Absent => value.is_none(),
        }
    }
}

/// Splits at the commas that stand in no parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// `a=b`, `a==b`, `a!=b`.
fn equation(part: &str) -> Option<Requirement> {
    let (key, value, not) = if let Some((key, value)) = part.split_once("!=") {
        (key, value, true)
    } else {
        let (key, value) = part.split_once('=')?;
        (key, value.trim_start_matches('='), false)
    };
    let values = vec![value.trim().to_owned()];
    let wanted = if not { Wanted::NotIn(values) } else { Wanted::In(values) };
    let key = key.trim();
    (!key.is_empty()).then(|| Requirement { key: key.to_owned(), wanted })
}

/// An equation, `a in (b, c)`, `a notin (b, c)`, `a`, or `!a`.
fn label(part: &str) -> Option<Requirement> {
    if let Some((head, list)) = part.split_once('(') {
        let list = list.strip_suffix(')')?;
        let values = list.split(',').map(|value| value.trim().to_owned()).collect();
        let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
        let wanted = match operator {
            "in" => Wanted::In(values),
            "notin" => Wanted::NotIn(values),
            _ => return None,
        };
        return Some(Requirement { key: key.trim().to_owned(), wanted });
    }
    if part.contains('=') {
        return equation(part);
    }
    let (key, wanted) = match part.strip_prefix('!') {
        Some(key) => (key.trim(), Wanted::Absent),
        None => (part, Wanted::Exists),
    };
    (!key.is_empty() && !key.contains(char::is_whitespace))
        .then(|| Requirement { key: key.to_owned(), wanted })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::kinds::find;
    use super::*;

    #[test]
    fn objects_are_selected_by_labels_and_fields_as_people_write_them() {
        let pod = json!({"metadata": {"name": "p", "namespace": "n", "labels": {"app": "a"}},
                         "status": {"phase": "Pending"}});
        for (labels, fields, meant) in [
            ("", "", true),
            ("app=a", "", true),
            ("app==a, other!=b", "", true),
            ("app", "", true),
            ("!app", "", false),
            ("app in (b, a),app notin (c)", "", true),
            ("other in (a)", "", false),
            ("", "metadata.name=p,status.phase!=Failed", true),
            ("", "status.phase!=Succeeded,status.phase!=Pending", false),
            ("", "spec.nodeName=", true),
            ("", "spec.nodeName!=x", true),
            ("app=b", "metadata.name=p", false),
        ] {
            let kind = find("", "pods").unwrap();
            let selector = Selector::read(kind, Some(labels), Some(fields)).unwrap();
            assert_eq!(selector.matches(&pod), meant, "{labels} {fields}");
        }
    }

    #[test]
    fn a_field_that_nobody_selects_by_is_refused() {
        let kind = find("", "pods").unwrap();
        for (labels, fields) in [("a b", ""), ("", "spec.image=x"), ("", "name"), ("a in b", "")] {
            let read = Selector::read(kind, Some(labels), Some(fields));
            assert_eq!(read.map_err(|refusal| refusal.code()), Err(400), "{labels} {fields}");
        }
    }
}
