//! Which failed pulls a recorded stream tells of, read from the raw objects by rules of its own
//! and not by the code under test. Only for making the files in `data`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::recording::{Truth, What};

/// What is known of one Pod so far.
#[derive(Default)]
pub(crate) struct Oracle {
    images: BTreeMap<String, Image>,
    /// Images that the spec named before it was edited.
    former: Vec<String>,
    pub(crate) truths: Vec<Truth>,
}

#[derive(Clone, Copy, Default)]
struct Image {
    failing: bool,
    found_bad_once: bool,
    counted: bool,
}

/// What one container says of an image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    PullFailed,
    BadOnce,
    /// Back-off of pulls or crashes, or a pull that the node did not let through.
    Between,
    Waits,
    There,
}

/// Fields that may be missing read as empty.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list<'a>(object: &'a Value, fields: &[&'a str]) -> impl Iterator<Item = &'a Value> {
    let lists: Vec<&Value> = fields.iter().map(|field| &object[field]).collect();
    lists.into_iter().flat_map(|list| list.as_array().into_iter().flatten())
}

impl Oracle {
    /// Takes in the Pod of a watch event.
    pub(crate) fn see(&mut self, pod: &Value, at: u64) {
        let (meta, spec, status) = (&pod["metadata"], &pod["spec"], &pod["status"]);
        let ended = matches!(text(&status["phase"]), "Succeeded" | "Failed");
        if ended || !meta["deletionTimestamp"].is_null() {
            return;
        }
        let volumes: Vec<&str> =
            list(spec, &["volumes"]).map(|volume| text(&volume["image"]["reference"])).collect();
        let own = list(spec, &["initContainers", "containers"]).map(|c| text(&c["image"]));
        let named: Vec<&str> = own.chain(volumes.iter().copied()).collect();
        let edited = self.images.iter().filter(|(image, _)| !named.contains(&image.as_str()));
        let edited: Vec<String> = edited.map(|(image, _)| image.clone()).collect();
        for image in edited {
            if self.images.remove(&image).is_some_and(|known| known.counted) {
                self.add(&image, What::Reset, at);
            }
            self.former.push(image);
        }
        let observed = &status["observedGeneration"];
        if !observed.is_null() && observed.as_i64() < meta["generation"].as_i64() {
            return; // it is about the spec before an edit
        }

        let mut words: BTreeMap<&str, Vec<Word>> =
            named.iter().map(|image| (*image, Vec::new())).collect();
        let statuses = ["initContainerStatuses", "containerStatuses"];
        for container in list(spec, &["initContainers", "containers"]) {
            let Some(said) = list(status, &statuses).find(|s| s["name"] == container["name"])
            else {
                continue;
            };
            let own = text(&container["image"]);
            let message = text(&said["state"]["waiting"]["message"]);
            if !message.contains(own) && self.former.iter().any(|image| message.contains(image)) {
                continue; // the words are about the image before an edit
            }
            let volume = volumes.iter().find(|volume| message.contains(**volume));
            let about = if message.contains(own) { own } else { volume.copied().unwrap_or(own) };
            words.entry(about).or_default().push(word(&said["state"]));
        }
        for (image, words) in words {
            self.hear(image, &words, at);
        }
    }

    fn hear(&mut self, name: &str, words: &[Word], at: u64) {
        let mut image = self.images.get(name).copied().unwrap_or_default();
        let says = |word: Word| words.contains(&word);
        let failed = says(Word::PullFailed) && !image.failing;
        let once = !says(Word::PullFailed) && says(Word::BadOnce) && !image.found_bad_once;
        image.failing = says(Word::PullFailed);
        image.found_bad_once |= once;
        image.counted |= failed || once;
        if failed || once {
            self.add(name, if failed { What::Failed } else { What::Once }, at);
        }
        let bad = [Word::PullFailed, Word::BadOnce, Word::Between, Word::Waits];
        if says(Word::There) && !words.iter().any(|word| bad.contains(word)) {
            if image.counted {
                self.add(name, What::Reset, at);
            }
            image = Image::default();
        }
        self.images.insert(name.to_owned(), image);
    }

    fn add(&mut self, image: &str, what: What, at: u64) {
        self.truths.push(Truth { at, image: image.into(), what });
    }
}

fn word(state: &Value) -> Word {
    let Some(waiting) = state["waiting"].as_object() else { return Word::There };
    let reason = waiting.get("reason").map(text).unwrap_or_default();
    let message = waiting.get("message").map(text).unwrap_or_default();
    match reason {
        "ErrImagePull" | "RegistryUnavailable" | "SignatureValidationFailed" => {
            if message == "pull QPS exceeded" { Word::Between } else { Word::PullFailed }
        }
        "ImagePullBackOff" | "CrashLoopBackOff" => Word::Between,
        "InvalidImageName" | "ErrImageNeverPull" => Word::BadOnce,
        "ContainerCreating" | "PodInitializing" => Word::Waits,
        "CreateContainerError" | "CreateContainerConfigError" => Word::There,
        sentence if sentence.contains(' ') => Word::BadOnce,
        other => panic!("{other} was in no recording so far: decide what it tells of"),
    }
}
