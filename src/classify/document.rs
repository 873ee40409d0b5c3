//! YAML or JSON, one document or many, to the Pods in it.

use dislodge_engine::objects::Pod;
use serde::Deserialize;

use super::line::kind;
use crate::source::objects::{Found, Unreadable, harmless, objects};

/// What a document has to be.
const EXPECTED: &str = "expected a Pod, or a List or PodList of Pods: kubectl get pods -o yaml";

/// Gives all Pods of the text to `take`, in order, or what stands in a Pod's place.
///
/// # Errors
///
/// Where the text cannot be read to its end.
pub(super) fn pods(
    text: &str,
    mut take: impl FnMut(Result<Pod, String>),
) -> Result<(), Unreadable> {
    if text.trim().is_empty() {
        take(Err(format!("empty: {EXPECTED}")));
        return Ok(());
    }
    objects(text, |found| {
        let pod = pod(found);
        // Pods are not kept.
        let is_kept = pod.is_err();
        take(pod);
        Ok(is_kept)
    })
}

fn pod(Found { kind: named, value, place }: Found<'_>) -> Result<Pod, String> {
    match named.as_deref() {
        Some("Pod") => {
            let name = value.pointer("/metadata/name").and_then(serde_json::Value::as_str);
            let name = harmless(name.unwrap_or("without a name"));
            Pod::deserialize(value).map_err(|error| {
                format!(
                    "{place}Pod {name} is not as the API has it: {}",
                    harmless(&error.to_string())
                )
            })
        }
        Some("List" | "PodList") => Err(format!("{place}a list without `items`: {EXPECTED}")),
        Some(other) => {
            let article = if other.starts_with(['A', 'E', 'I', 'O']) { "an" } else { "a" };
            Err(format!("{place}{article} {}: {EXPECTED}", harmless(other)))
        }
        None if value.is_object() => Err(format!("{place}an object without `kind`: {EXPECTED}")),
        None => Err(format!("{place}{}: {EXPECTED}", kind(&value))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the Pods, and what was wrong.
    fn read(text: &str) -> Vec<String> {
        let mut read = Vec::new();
        let done = pods(text, |pod| {
            read.push(pod.map_or_else(|error| error, |pod| pod.metadata.name));
        });
        assert_eq!(done, Ok(()), "{text}");
        read
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
    fn the_pods_of_a_whole_cluster_are_not_too_many() {
        let pod = "---\nkind: Pod\nmetadata: {name: a}\n".repeat(1100);
        let labels = "0,".repeat(250_000);
        let many = format!("{pod}---\nkind: Pod\nmetadata: {{name: a, more: [{labels}]}}");
        assert_eq!(read(&many).len(), 1101);
    }
}
