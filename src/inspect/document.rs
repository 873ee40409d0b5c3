//! Objects out of files: YAML or JSON, one document or many, lists and lists of lists, a report, or a
//! folder of such files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use dislodge_engine::message;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bundle::unpack;
use crate::classify::document::documents;
use crate::classify::shown::plain;
use crate::inspect::{Error, Gap, Snapshot};
use crate::source;

/// The most that is read of a file, in bytes.
const MOST: usize = 512 << 20;
/// Lists in lists are read so deep.
const DEEPEST: usize = 4;

/// All objects of these files and folders that tell of jobs.
///
/// # Errors
///
/// Where a file cannot be read, is neither YAML nor JSON nor a report, or has nothing in it that tells of
/// jobs.
pub fn read(files: &[impl AsRef<Path>]) -> Result<Snapshot, Error> {
    let mut seen = Snapshot::default();
    for file in files {
        if file.as_ref().is_dir() {
            folder(file.as_ref(), &mut seen);
        } else {
            one(file.as_ref(), &mut seen)?;
        }
    }
    seen.drop_copies();
    let empty = seen.pods.is_empty() && seen.jobs.is_empty() && seen.job_sets.is_empty();
    if empty && seen.workloads.is_empty() {
        return Err(Error::File(
            "the files have no Pod, Job, JobSet or Workload in them: save them with `dislodge report`, or \
             with kubectl get ipp,jobs,workloads,localqueues,pods,events -o yaml --show-managed-fields"
                .to_owned(),
        ));
    }
    if seen.policies.is_empty() {
        seen.gaps.push(Gap {
            missing: "an ImagePullPolicy in the files".to_owned(),
            unknown: "which policy and rule decide".to_owned(),
        });
    }
    Ok(seen)
}

/// One file.
fn one(file: &Path, seen: &mut Snapshot) -> Result<(), Error> {
    let name = name(file);
    let bytes = bytes(file, &name, MOST)?;
    let text = match unpack::report(&*bytes) {
        Some(report) => {
            let report = report.map_err(|why| Error::File(format!("{name} {why}")))?;
            seen.read_at = seen.read_at.max(Some(report.about.time));
            seen.gaps.extend(report.about.gaps);
            report.objects
        }
        None => text(bytes, &name)?,
    };
    let documents = documents(&text)
        .map_err(|why| Error::File(format!("{name} is neither YAML nor JSON: {why}")))?;
    let taken = documents.into_iter().try_for_each(|document| take(document, None, DEEPEST, seen));
    taken.map_err(|why| Error::File(format!("{name}: {why}")))
}

/// A folder as `oc adm must-gather` and `kubectl cluster-info dump --output-directory` leave it: there is
/// much in it that tells nothing of jobs, and some of that is of no form at all.
fn folder(folder: &Path, seen: &mut Snapshot) {
    let (mut room, mut left_out) = (MOST, 0_usize);
    for found in source::below(folder, is_of_objects) {
        let Ok(path) = found else {
            left_out += 1;
            continue;
        };
        let name = name(&path);
        let Ok(bytes) = bytes(&path, &name, room) else {
            left_out += 1;
            continue;
        };
        room -= bytes.len();
        let documents = text(bytes, &name).ok().and_then(|text| documents(&text).ok());
        let taken = documents.is_some_and(|documents| {
            documents
                .into_iter()
                .fold(true, |all, document| all & take(document, None, DEEPEST, seen).is_ok())
        });
        left_out += usize::from(!taken);
    }
    if left_out > 0 {
        seen.gaps.push(Gap {
            missing: format!("{left_out} files of {} that cannot be read", name(folder)),
            unknown: "what is in them".to_owned(),
        });
    }
}

fn is_of_objects(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned());
    ending.is_some_and(|ending| ["yaml", "yml", "json"].contains(&ending.as_str()))
}

/// Takes in an object, or the objects of a list.
///
/// # Errors
///
/// Where one is not as the API has it.
pub(crate) fn add(document: Value, seen: &mut Snapshot) -> Result<(), String> {
    take(document, None, DEEPEST, seen)
}

fn name(file: &Path) -> String {
    if file.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        plain(&file.to_string_lossy()).into_owned()
    }
}

fn bytes(file: &Path, name: &str, most: usize) -> Result<Vec<u8>, Error> {
    let unreadable = |error: std::io::Error| {
        let advice = "name a file that exists, or '-' for standard input";
        Error::File(format!("{name} cannot be read: {error}: {advice}"))
    };
    let input: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(file).map_err(unreadable)?)
    };
    let mut bytes = Vec::new();
    input.take(most as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > most {
        return Err(Error::File(format!("{name} is longer than {most} bytes: give less of it")));
    }
    Ok(bytes)
}

fn text(bytes: Vec<u8>, name: &str) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| {
        let byte = error.utf8_error().valid_up_to() + 1;
        Error::File(format!("{name} is no text: no UTF-8 from byte {byte} on"))
    })
}

/// Takes an object in. `kind`: that of a typed list's items, which do not say it themselves.
fn take(
    document: Value,
    kind: Option<&str>,
    depth: usize,
    seen: &mut Snapshot,
) -> Result<(), String> {
    let own = document.get("kind").and_then(Value::as_str).map(str::to_owned);
    let kind = own.as_deref().or(kind).unwrap_or_default();
    if let Value::Array(items) = document {
        return all(items, None, depth, seen);
    }
    if let Some(of) = kind.strip_suffix("List") {
        let Value::Object(mut list) = document else { return Ok(()) };
        let Some(Value::Array(items)) = list.remove("items") else { return Ok(()) };
        return all(items, Some(of).filter(|of| !of.is_empty()), depth, seen);
    }
    let group = document.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let ours = |group: &str, wanted: &str| group.is_empty() || group.starts_with(wanted);
    match kind {
        "Pod" => seen.pods.push(object(document, kind)?),
        "Job" if ours(group, "batch/") => seen.jobs.push(object(document, kind)?),
        "JobSet" => seen.job_sets.push(object(document, kind)?),
        "CronJob" => seen.cron_jobs.push(object(document, kind)?),
        "Workload" => seen.workloads.push(object(document, kind)?),
        "LocalQueue" => seen.local_queues.push(object(document, kind)?),
        "ClusterQueue" => seen.cluster_queues.push(object(document, kind)?),
        "Node" => seen.nodes.push(object(document, kind)?),
        "ImagePullPolicy" => seen.policies.push(object(document, kind)?),
        "Event" if ours(group, "v1") => {
            // Other people's Events need not be as the API has them.
            seen.events.extend(serde_json::from_value(document).ok());
        }
        _ => {} // a dump has much in it that tells nothing of jobs
    }
    Ok(())
}

fn all(
    items: Vec<Value>,
    kind: Option<&str>,
    depth: usize,
    seen: &mut Snapshot,
) -> Result<(), String> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err("lists in lists in lists: give the objects themselves".to_owned());
    };
    items.into_iter().try_for_each(|item| take(item, kind, depth, seen))
}

fn object<T: DeserializeOwned>(document: Value, kind: &str) -> Result<T, String> {
    let name = document.pointer("/metadata/name").and_then(Value::as_str);
    let name = harmless(name.unwrap_or("without a name"));
    serde_json::from_value(document).map_err(|error| {
        format!("{kind} {name} is not as the API has it: {}", harmless(&error.to_string()))
    })
}

fn harmless(text: &str) -> String {
    plain(&message::mask(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> Result<Snapshot, String> {
        let mut seen = Snapshot::default();
        for document in documents(text)? {
            take(document, None, DEEPEST, &mut seen)?;
        }
        Ok(seen)
    }

    #[test]
    fn objects_are_found_in_every_form_in_which_kubectl_writes_them() {
        for text in [
            "kind: Pod\nmetadata: {name: a}\n---\nkind: Job\napiVersion: batch/v1\nmetadata: {name: j}\n",
            r#"{"kind":"List","items":[{"kind":"Pod"},{"kind":"Job"},{"kind":"Secret"}]}"#,
            r#"{"kind":"PodList","items":[{}]} {"kind":"JobList","items":[{}]}"#,
            r#"{"kind":"List","items":[{"kind":"PodList","items":[{}]},{"kind":"Job"}]}"#,
            r#"[{"kind":"Pod"},{"kind":"Job"},{"kind":"Job","apiVersion":"batch.volcano.sh/v1alpha1"}]"#,
        ] {
            let seen = taken(text).unwrap();
            assert_eq!((seen.pods.len(), seen.jobs.len()), (1, 1), "{text}");
        }
    }

    #[test]
    fn what_is_of_another_shape_is_named_without_what_a_terminal_obeys() {
        let error = taken("{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\\u001b[31m\"},\"spec\":7}");
        let error = error.unwrap_err();
        assert!(error.starts_with("Pod a\\u{1b}[31m is not as the API has it"), "{error}");
    }

    #[test]
    fn lists_in_lists_have_an_end() {
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(taken(&deep).unwrap_err().contains("lists in lists"));
    }
}
