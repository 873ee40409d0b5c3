//! What a file in `data` says, line by line, as the API would have said it. The form of the files stands
//! in `recording.rs`. The program's own tests read them by this file, too.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

/// What a file says.
#[derive(Default)]
pub(crate) struct Told {
    /// Unix time at millisecond 0, in milliseconds.
    pub(crate) wall: i64,
    /// The names of the Pods.
    pub(crate) pods: Vec<String>,
    /// What was seen, in order.
    pub(crate) events: Vec<Event>,
    /// Lines that say what is true of an image: the word, the Pod, the image and the millisecond.
    pub(crate) truths: Vec<(String, usize, String, u64)>,
    messages: Vec<String>,
    metas: Vec<Value>,
    /// Of each Pod: its spec, and in which list of statuses each container stands.
    specs: Vec<(Value, BTreeMap<String, &'static str>)>,
    /// The Pod whose spec is being read.
    current: usize,
}

/// One state of a Pod.
pub(crate) struct Event {
    /// Milliseconds since the recording began.
    pub(crate) at: u64,
    /// Its Pod, as a place in [`Told::pods`].
    pub(crate) number: usize,
    pub(crate) deleted: bool,
    /// The Pod as the API has it.
    pub(crate) pod: Value,
}

impl Told {
    /// Reads a file.
    pub(crate) fn read(text: &str) -> Self {
        let mut told = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            told.take(&line.split('\t').collect::<Vec<_>>());
        }
        told
    }

    fn take(&mut self, fields: &[&str]) {
        match fields[0] {
            "wall" => self.wall = fields[1].parse().unwrap(),
            "message" => self.messages.push(fields[2].to_owned()),
            "pod" => {
                let (number, name) = (self.pods.len(), fields[2]);
                self.metas.push(json!({
                    "name": name,
                    "namespace": "recorded",
                    "uid": format!("00000000-0000-0000-0000-{:012x}", number + 1),
                    "creationTimestamp": self.second(fields[3]),
                }));
                self.specs.push((Value::Null, BTreeMap::new()));
                self.pods.push(name.to_owned());
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
            word @ ("failed" | "once" | "reset") => {
                let (pod, at) = (fields[1].parse().unwrap(), fields[3].parse().unwrap());
                self.truths.push((word.to_owned(), pod, fields[2].to_owned(), at));
            }
            _ => self.event(fields),
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
        let (at, deleted) = (at.parse().unwrap(), *event == "deleted");
        self.events.push(Event { at, number, deleted, pod });
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
