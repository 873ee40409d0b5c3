//! YAML or JSON, one document or many, to the Pods in it.

use dislodge_engine::message;
use dislodge_engine::objects::Pod;
use serde::Deserialize;
use serde_json::Value;

use super::line::kind;
use super::shown::plain;

/// What a document has to be.
const EXPECTED: &str = "expected a Pod, or a List or PodList of Pods: kubectl get pods -o yaml";

/// So many bytes aliases may repeat altogether.
const REPEATED: usize = 64 << 20;

/// All Pods of the text in order, or what stands in a Pod's place.
///
/// # Errors
///
/// Where the text is neither YAML nor JSON.
pub(super) fn pods(text: &str) -> Result<Vec<Result<Pod, String>>, String> {
    let documents = documents(text)?;
    let several = documents.len() > 1;
    let mut pods = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let place = if several { format!("document {}: ", index + 1) } else { String::new() };
        collect(document, &place, &mut pods);
    }
    if pods.is_empty() && !several && text.trim().is_empty() {
        pods.push(Err(format!("empty: {EXPECTED}")));
    }
    Ok(pods)
}

/// All documents of a text.
///
/// JSON is read as such, although it is YAML, too: that is many times faster, and has no limit.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>, String> {
    let json: Result<Vec<Value>, _> =
        serde_json::Deserializer::from_str(text).into_iter().collect();
    json.or_else(|error| {
        // No file needs more than it has bytes, but for what aliases repeat.
        let most = text.len().saturating_add(REPEATED);
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_events: most,
                max_nodes: most,
                max_documents: most,
                max_total_scalar_bytes: most,
            },
            with_snippet: false,
        };
        serde_saphyr::from_multiple_with_options(text, options).map_err(|yaml| {
            let looks_like_json = text.trim_start().starts_with(['{', '[']);
            let problem = match yaml.to_string() {
                _ if looks_like_json => error.to_string(),
                yaml if yaml.contains("breached") || yaml.contains("too complex") => {
                    "it is too deep, or repeats too much of itself: give the objects as they are"
                        .to_owned()
                }
                yaml => yaml,
            };
            harmless(&problem)
        })
    })
}

/// Collects the Pods of a document, or of the objects that it lists.
fn collect(document: Value, place: &str, pods: &mut Vec<Result<Pod, String>>) {
    let named = document.get("kind").and_then(Value::as_str).map(str::to_owned);
    match (document, named.as_deref()) {
        (Value::Object(mut list), Some("List" | "PodList")) => {
            let Some(Value::Array(items)) = list.remove("items") else {
                pods.push(Err(format!("{place}a list without `items`: {EXPECTED}")));
                return;
            };
            let untold = named.as_deref() == Some("PodList");
            collect_items(items, untold, place, pods);
        }
        (Value::Array(items), _) => collect_items(items, false, place, pods),
        (document, named) => pods.push(pod(document, named, place)),
    }
}

/// The API server leaves the kind of a PodList's items out: `untold`.
fn collect_items(
    items: Vec<Value>,
    untold: bool,
    place: &str,
    pods: &mut Vec<Result<Pod, String>>,
) {
    for (index, item) in items.into_iter().enumerate() {
        let named = item.get("kind").and_then(Value::as_str).map(str::to_owned);
        let kind = named.as_deref().or_else(|| untold.then_some("Pod"));
        pods.push(pod(item, kind, &format!("{place}items[{index}]: ")));
    }
}

fn pod(document: Value, named: Option<&str>, place: &str) -> Result<Pod, String> {
    match named {
        Some("Pod") => {
            let name = document.pointer("/metadata/name").and_then(Value::as_str);
            let name = harmless(name.unwrap_or("without a name"));
            Pod::deserialize(document).map_err(|error| {
                format!(
                    "{place}Pod {name} is not as the API has it: {}",
                    harmless(&error.to_string())
                )
            })
        }
        Some(other) => {
            let article = if other.starts_with(['A', 'E', 'I', 'O']) { "an" } else { "a" };
            Err(format!("{place}{article} {}: {EXPECTED}", harmless(other)))
        }
        None if document.is_object() => Err(format!("{place}an object without `kind`: {EXPECTED}")),
        None => Err(format!("{place}{}: {EXPECTED}", kind(&document))),
    }
}

/// A foreign text as it may be shown.
fn harmless(text: &str) -> String {
    plain(&message::mask(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the Pods, and what was wrong.
    fn read(text: &str) -> Vec<String> {
        let pods = pods(text).unwrap().into_iter();
        pods.map(|pod| pod.map_or_else(|error| error, |pod| pod.metadata.name)).collect()
    }

    #[test]
    fn pods_are_found_in_every_form_in_which_kubectl_writes_them() {
        for text in [
            r#"{"kind":"Pod","metadata":{"name":"a"}}"#,
            "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}\n",
            "kind: Pod\nmetadata: {name: a}\n",
            "# a comment\n---\nkind: Pod\nmetadata: {name: a}\n---\n",
            "{kind: Pod, metadata: {name: a}}",
            r#"{"kind":"List","items":[{"kind":"Pod","metadata":{"name":"a"}}]}"#,
            r#"{"kind":"PodList","items":[{"metadata":{"name":"a"}}]}"#,
            "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  metadata: {name: a}\n",
            r#"[{"kind":"Pod","metadata":{"name":"a"}}]"#,
        ] {
            assert_eq!(read(text), ["a"], "{text}");
        }
    }

    #[test]
    fn several_documents_are_read_in_order() {
        let yaml = "kind: Pod\nmetadata: {name: a}\n---\nkind: Pod\nmetadata: {name: b}\n";
        let json =
            r#"{"kind":"Pod","metadata":{"name":"a"}} {"kind":"Pod","metadata":{"name":"b"}}"#;
        assert_eq!(read(yaml), ["a", "b"]);
        assert_eq!(read(json), ["a", "b"]);
    }

    #[test]
    fn what_is_no_pod_is_named_with_its_place_and_what_was_expected() {
        for (text, what) in [
            ("kind: Deployment\n", "a Deployment: "),
            ("kind: Event\n", "an Event: "),
            ("metadata: {name: a}\n", "an object without `kind`: "),
            ("just words\n", "a string: "),
            ("", "empty: "),
            ("kind: List\n", "a list without `items`: "),
            (r#"{"kind":"List","items":[{"kind":"Job"}]}"#, "items[0]: a Job: "),
            (r#"{"kind":"List","items":[{}]}"#, "items[0]: an object without `kind`: "),
            (r#"{"kind":"\u001b[31mJob"}"#, "a \\u{1b}[31mJob: "),
        ] {
            let read = read(text);
            assert_eq!(read.len(), 1, "{text}: {read:?}");
            assert!(read[0].starts_with(what) && read[0].ends_with(EXPECTED), "{text}: {read:?}");
        }
        let mixed = read("kind: Job\n---\nkind: Pod\nmetadata: {name: a}\n");
        assert!(mixed[0].starts_with("document 1: a Job: ") && mixed[1] == "a", "{mixed:?}");
    }

    #[test]
    fn a_pod_of_another_shape_is_named() {
        let read = read(r#"{"kind":"Pod","metadata":{"name":"a"},"spec":{"containers":5}}"#);
        assert!(read[0].starts_with("Pod a is not as the API has it: invalid type"), "{read:?}");
    }

    #[test]
    fn what_is_neither_yaml_nor_json_says_where() {
        for text in ["{\"kind\": \"Pod\",\n \"spec\": {", "kind: Pod\nspec: [\n"] {
            let error = pods(text).unwrap_err();
            assert!(error.contains("line "), "{error}");
        }
    }

    #[test]
    fn the_pods_of_a_whole_cluster_are_not_too_many() {
        let pod = "---\nkind: Pod\nmetadata: {name: a}\n".repeat(1100);
        let labels = "0,".repeat(250_000);
        let many = format!("{pod}---\nkind: Pod\nmetadata: {{name: a, more: [{labels}]}}");
        assert_eq!(pods(&many).unwrap().len(), 1101);
    }
}
