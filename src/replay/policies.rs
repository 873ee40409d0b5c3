//! Policies out of files, for a replay.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use dislodge_engine::api::{KIND, validate};
use dislodge_engine::message::mask;
use dislodge_engine::objects::{Policy, Uid};
use serde::Deserialize;
use serde_json::Value;

use crate::classify::shown::plain;
use crate::inspect::Error;
use crate::source::objects::objects;

/// The most that is read of a file, in bytes.
const MOST: u64 = 4 << 20;

/// All policies of these files; other objects are passed over. `namespace`: that of policies which name
/// none, where there is only one that can be meant.
///
/// # Errors
///
/// Where a file cannot be read, a policy is not as the CRD has it, or there is none.
pub(super) fn read(files: &[PathBuf], namespace: Option<&str>) -> Result<Vec<Policy>, Error> {
    let mut policies: Vec<Policy> = Vec::new();
    for file in files {
        let name = plain(&file.to_string_lossy()).into_owned();
        let wrong = |why: String| Error::File(format!("{name}: {why}"));
        let text = text(file).map_err(wrong)?;
        let read = objects(&text, |found| {
            let is_policy = found.kind.as_deref() == Some(KIND);
            if is_policy {
                policies.push(policy(&found.value)?);
            }
            Ok(is_policy)
        });
        read.map_err(|why| Error::File(why.of(&name)))?;
    }
    if policies.is_empty() {
        return Err(Error::File(format!(
            "{} has no {KIND} in it: give a file with the policies to replay with",
            files
                .iter()
                .map(|file| plain(&file.to_string_lossy()).into_owned())
                .collect::<Vec<_>>()
                .join(", ")
        )));
    }
    for (number, policy) in (1..).zip(&mut policies) {
        let meta = &mut policy.metadata;
        if meta.namespace.is_empty() {
            let Some(namespace) = namespace else {
                return Err(Error::File(format!(
                    "{KIND} {} has no metadata.namespace, and the recording is of several: write the \
                     namespace into the file",
                    plain(&meta.name)
                )));
            };
            namespace.clone_into(&mut meta.namespace);
        }
        // No API server has given it one.
        meta.uid = Uid::from_u128(0xd151_0d9e << 64 | number);
        "1".clone_into(&mut meta.resource_version);
        meta.generation = 1;
    }
    Ok(policies)
}

fn text(file: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| {
        format!("it cannot be read: {error}: name a file of policies, or several with -f for each")
    };
    let input: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(file).map_err(unreadable)?)
    };
    let mut bytes = Vec::new();
    input.take(MOST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST {
        return Err(format!("it is longer than {MOST} bytes, too long for policies"));
    }
    String::from_utf8(bytes)
        .map_err(|_| "it is no text: give policies as YAML or JSON in UTF-8".to_owned())
}

fn policy(document: &Value) -> Result<Policy, String> {
    let name = document.pointer("/metadata/name").and_then(Value::as_str);
    let wrong = |why: &str| {
        format!("{KIND} {}: {}", plain(name.unwrap_or("without a name")), plain(&mask(why)))
    };
    let mistakes = validate::every_mistake(document);
    if let Some(refusal) = mistakes.iter().find(|refusal| !refusal.is_remark()) {
        let words = refusal.words();
        let why = format!("`{}` {}: {}", refusal.field, words.wrong, words.advice);
        return Err(wrong(&why));
    }
    let policy = Policy::deserialize(document).map_err(|error| wrong(&error.to_string()))?;
    match &policy.spec {
        Ok(_) => Ok(policy),
        Err(why) => Err(wrong(why)),
    }
}
