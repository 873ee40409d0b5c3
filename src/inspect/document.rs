//! Objects out of files: YAML or JSON, one document or many, lists and lists of lists, a report, or a
//! folder of such files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bundle::unpack;
use crate::classify::shown::plain;
use crate::inspect::{Error, Gap, Snapshot};
use crate::source;
use crate::source::objects::{Found, Unreadable, harmless, objects};

/// The most that is read of a file, in bytes.
const MOST: usize = 512 << 20;

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
    objects(&text, |found| take(found, seen)).map_err(|why| Error::File(why.of(&name)))
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
        let mut all = true;
        let read = text(bytes, &name).map(|text| {
            objects(&text, |found| {
                let taken = take(found, seen);
                all &= taken.is_ok();
                Ok(taken.unwrap_or_default())
            })
        });
        left_out += usize::from(!(all && matches!(read, Ok(Ok(())))));
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
pub(crate) fn add(document: &Value, seen: &mut Snapshot) -> Result<(), Unreadable> {
    objects(&document.to_string(), |found| take(found, seen))
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

/// Takes an object in, if it tells of jobs; a dump has much in it that does not.
fn take(Found { kind, value, .. }: Found<'_>, seen: &mut Snapshot) -> Result<bool, String> {
    let kind = kind.as_deref().unwrap_or_default();
    let group = value.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let ours = |group: &str, wanted: &str| group.is_empty() || group.starts_with(wanted);
    match kind {
        "Pod" => seen.pods.push(object(value, kind)?),
        "Job" if ours(group, "batch/") => seen.jobs.push(object(value, kind)?),
        "JobSet" => seen.job_sets.push(object(value, kind)?),
        "CronJob" => seen.cron_jobs.push(object(value, kind)?),
        "Workload" => seen.workloads.push(object(value, kind)?),
        "LocalQueue" => seen.local_queues.push(object(value, kind)?),
        "ClusterQueue" => seen.cluster_queues.push(object(value, kind)?),
        "Node" => seen.nodes.push(object(value, kind)?),
        "ImagePullPolicy" => seen.policies.push(object(value, kind)?),
        // Other people's Events need not be as the API has them.
        "Event" if ours(group, "v1") => seen.events.extend(serde_json::from_value(value).ok()),
        _ => return Ok(false),
    }
    Ok(true)
}

fn object<T: DeserializeOwned>(document: Value, kind: &str) -> Result<T, String> {
    let name = document.pointer("/metadata/name").and_then(Value::as_str);
    let name = harmless(name.unwrap_or("without a name"));
    serde_json::from_value(document).map_err(|error| {
        format!("{kind} {name} is not as the API has it: {}", harmless(&error.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> Result<Snapshot, String> {
        let mut seen = Snapshot::default();
        objects(text, |found| take(found, &mut seen)).map_err(|why| why.of("it"))?;
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
        assert!(error.starts_with("it: Pod a\\u{1b}[31m is not as the API has it"), "{error}");
    }
}
