//! The files in `data`: what a watcher saw of the Pods of a case, and which failed pulls that
//! tells of.
//!
//! A file has one line for each fact, fields separated by tabs; seconds count from the second in
//! which the recording began:
//!
//! ```text
//! wall       MS                                  Unix time at T_MS 0, by the API server's clock
//! message    N TEXT
//! pod        POD NAME CREATED_S
//! spec       POD                                 what follows, down to the next event, is all of it
//! init       NAME POLICY IMAGE [VOLUME,...]      a container, with the image volumes it mounts
//! sidecar    NAME POLICY IMAGE [VOLUME,...]
//! main       NAME POLICY IMAGE [VOLUME,...]
//! volume     NAME POLICY REFERENCE               an image volume
//! T_MS       EVENT POD PHASE GENERATION WROTE CONTAINER=STATE...
//! failed     POD IMAGE T_MS                      the event with which a failed pull counts
//! once       POD IMAGE T_MS                      the same, where the kubelet says it only once
//! reset      POD IMAGE T_MS                      what failed of the image before is over
//! ```
//!
//! - `EVENT`: `added`, `modified` or `deleted`.
//! - `PHASE`: with `!` where `deletionTimestamp` is set.
//! - `GENERATION`: `2`, or `2/1` where `observedGeneration` differs, `2/-` where it is not set.
//! - `WROTE`: second of the kubelet's newest status write, or `-`; `+S` where another client's
//!   newest status write is known as well.
//! - `STATE`: `running`, `terminated` or the reason to wait, with `#N` for its message; then `@`
//!   where `imageID` is set.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use dislodge_engine::objects::Pod;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cases::CASES;
use crate::watcher::{Reading, reading};

/// All recordings.
pub(crate) static RECORDINGS: LazyLock<Vec<Recording>> =
    LazyLock::new(|| CASES.iter().map(|(case, _)| Recording::read(case, &text(case))).collect());

/// All Pods of all recordings.
pub(crate) fn lives() -> impl Iterator<Item = &'static Life> {
    RECORDINGS.iter().flat_map(|recording| &recording.lives)
}

/// One recorded case: its Pods.
pub(crate) struct Recording {
    pub(crate) lives: Vec<Life>,
}

/// What was seen of one Pod.
pub(crate) struct Life {
    /// Case and Pod.
    pub(crate) name: String,
    /// Unix time at millisecond 0 of the recording, in milliseconds.
    wall: i64,
    pub(crate) events: Vec<Event>,
    pub(crate) truths: Vec<Truth>,
    /// The images that something is true of.
    pub(crate) images: Vec<Arc<str>>,
}

pub(crate) struct Event {
    pub(crate) at: u64,
    pub(crate) deleted: bool,
    pub(crate) pod: &'static Pod,
    /// The Pod, as it is observed.
    pub(crate) reading: Reading,
}

/// What a status says for certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) at: u64,
    pub(crate) image: Arc<str>,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Failed,
    Once,
    Reset,
}

impl What {
    fn read(text: &str) -> Option<Self> {
        [Self::Failed, Self::Once, Self::Reset].into_iter().find(|what| what.to_string() == text)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "failed",
            Self::Once => "once",
            Self::Reset => "reset",
        })
    }
}

impl Life {
    pub(crate) fn wall(&self, at: u64) -> Timestamp {
        Timestamp::from_millisecond(self.wall + i64::try_from(at).unwrap()).unwrap()
    }

    /// How many failed pulls in a row of an image are true by then.
    pub(crate) fn failed_pulls(&self, image: &str, at: u64) -> u32 {
        let known = self.truths.iter().filter(|truth| truth.at <= at && *truth.image == *image);
        known.fold(0, |count, truth| if truth.what == What::Reset { 0 } else { count + 1 })
    }
}

pub(crate) fn file(case: &str) -> String {
    format!("{}/tests/recordings/data/{case}.tsv", env!("CARGO_MANIFEST_DIR"))
}

fn text(case: &str) -> String {
    let file = file(case);
    std::fs::read_to_string(Path::new(&file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

impl Recording {
    fn read(case: &str, text: &str) -> Self {
        let mut reader = Reader::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            reader.take(case, &fields);
        }
        Self { lives: reader.lives }
    }
}

#[derive(Default)]
struct Reader {
    wall: i64,
    messages: Vec<String>,
    metas: Vec<Value>,
    /// Of each Pod: its spec, and the kind of each container.
    specs: Vec<(Value, BTreeMap<String, &'static str>)>,
    /// The Pod whose spec is being read.
    current: usize,
    lives: Vec<Life>,
}

impl Reader {
    fn take(&mut self, case: &str, fields: &[&str]) {
        match fields[0] {
            "wall" => self.wall = fields[1].parse().unwrap(),
            "message" => self.messages.push(fields[2].to_owned()),
            "pod" => {
                let (number, name) = (self.lives.len(), fields[2]);
                self.metas.push(json!({
                    "name": name,
                    "namespace": "recorded",
                    "uid": format!("00000000-0000-0000-0000-{:012x}", number + 1),
                    "creationTimestamp": self.second(fields[3]),
                }));
                self.specs.push((Value::Null, BTreeMap::new()));
                let (events, truths, images) = (Vec::new(), Vec::new(), Vec::new());
                let name = format!("{case}, {name}");
                self.lives.push(Life { name, wall: self.wall, events, truths, images });
            }
            "spec" => {
                self.current = fields[1].parse().unwrap();
                let spec = json!({"initContainers": [], "containers": [], "volumes": []});
                self.specs[self.current] = (spec, BTreeMap::new());
            }
            "volume" => {
                let image = json!({"reference": fields[3], "pullPolicy": fields[2]});
                let volume = json!({"name": fields[1], "image": image});
                self.specs[self.current].0["volumes"].as_array_mut().unwrap().push(volume);
            }
            "init" | "sidecar" | "main" => self.container(fields),
            first => match What::read(first) {
                Some(what) => {
                    let life = &mut self.lives[fields[1].parse::<usize>().unwrap()];
                    let (image, at) = (Arc::<str>::from(fields[2]), fields[3].parse().unwrap());
                    if !life.images.contains(&image) {
                        life.images.push(Arc::clone(&image));
                    }
                    life.truths.push(Truth { at, image, what });
                }
                None => self.event(fields),
            },
        }
    }

    fn container(&mut self, fields: &[&str]) {
        let mut container =
            json!({"name": fields[1], "imagePullPolicy": fields[2], "image": fields[3]});
        if let Some(mounts) = fields.get(4) {
            let mounts = mounts.split(',').map(|name| json!({"name": name}));
            container["volumeMounts"] = mounts.collect();
        }
        if fields[0] == "sidecar" {
            container["restartPolicy"] = json!("Always");
        }
        let main = fields[0] == "main";
        let (spec, kinds) = &mut self.specs[self.current];
        let list = if main { "containers" } else { "initContainers" };
        spec[list].as_array_mut().unwrap().push(container);
        let statuses = if main { "containerStatuses" } else { "initContainerStatuses" };
        kinds.insert(fields[1].to_owned(), statuses);
    }

    fn event(&mut self, fields: &[&str]) {
        let [at, event, pod, phase, generation, wrote, said @ ..] = fields else {
            panic!("no event: {fields:?}")
        };
        let number: usize = pod.parse().unwrap();
        let (spec, kinds) = &self.specs[number];
        let (generation, observed) = generation.split_once('/').unwrap_or((generation, generation));
        let mut status = json!({"phase": phase.trim_end_matches('!')});
        if observed != "-" {
            status["observedGeneration"] = observed.parse::<i64>().unwrap().into();
        }
        for (name, state) in said.iter().map(|state| state.split_once('=').unwrap()) {
            let state = self.state(name, state);
            let list = &mut status[kinds[name]];
            if list.is_null() {
                *list = json!([]);
            }
            list.as_array_mut().unwrap().push(state);
        }
        let mut meta = self.metas[number].clone();
        meta["generation"] = generation.parse::<i64>().unwrap().into();
        if phase.ends_with('!') {
            meta["deletionTimestamp"] = meta["creationTimestamp"].clone();
        }
        meta["managedFields"] = self.writers(wrote);
        let pod = json!({"metadata": meta, "spec": spec, "status": status});
        let pod: &Pod = Box::leak(Box::new(serde_json::from_value(pod).unwrap()));
        let (at, deleted, reading) = (at.parse().unwrap(), *event == "deleted", reading(pod));
        self.lives[number].events.push(Event { at, deleted, pod, reading });
    }

    fn state(&self, name: &str, text: &str) -> Value {
        let said = text.trim_end_matches('@');
        let state = match said {
            "running" | "terminated" => json!({said: {}}),
            waiting => {
                let (reason, message) = waiting.split_once('#').unwrap_or((waiting, ""));
                let mut waiting = json!({"reason": reason});
                if let Ok(number) = message.parse::<usize>() {
                    waiting["message"] = self.messages[number].as_str().into();
                }
                json!({"waiting": waiting})
            }
        };
        let image_id = if text.ends_with('@') { "sha256:00" } else { "" };
        json!({"name": name, "state": state, "lastState": {}, "imageID": image_id})
    }

    fn writers(&self, wrote: &str) -> Value {
        let (kubelet, other) = wrote.split_once('+').unwrap_or((wrote, "-"));
        let writers = [("kubelet", kubelet, "f:containerStatuses"), ("other", other, "f:phase")];
        let known = writers.into_iter().filter(|(_, second, _)| *second != "-");
        let entry = |(manager, second, owns): (&str, &str, &str)| {
            json!({
                "manager": manager,
                "operation": "Update",
                "subresource": "status",
                "time": self.second(second),
                "fieldsV1": {"f:status": {owns: {}}},
            })
        };
        known.map(entry).collect()
    }

    fn second(&self, second: &str) -> String {
        let second = self.wall.div_euclid(1000) + second.parse::<i64>().unwrap();
        Timestamp::from_second(second).unwrap().to_string()
    }
}
