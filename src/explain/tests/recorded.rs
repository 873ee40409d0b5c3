//! Each state of each Pod that was recorded on a real kubelet: no state is without an answer. The
//! recordings, and how they are written, are the engine's own (`engine/tests/recordings`).

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::is_answer;
use super::shapes::both;

#[derive(Default)]
struct Recording {
    wall: i64,
    messages: Vec<String>,
    metas: Vec<Value>,
    specs: Vec<(Value, BTreeMap<String, &'static str>)>,
    current: usize,
    /// Times, and the Pods as they were then.
    states: Vec<(Timestamp, Value)>,
}

impl Recording {
    fn read(text: &str) -> Self {
        let mut recording = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            recording.take(&line.split('\t').collect::<Vec<_>>());
        }
        recording
    }

    fn take(&mut self, fields: &[&str]) {
        match fields[0] {
            "wall" => self.wall = fields[1].parse().unwrap(),
            "message" => self.messages.push(fields[2].to_owned()),
            "pod" => {
                let uid = format!("00000000-0000-0000-0001-{:012x}", self.metas.len() + 1);
                self.metas.push(json!({"name": fields[2], "namespace": "recorded", "uid": uid,
                    "creationTimestamp": self.second(fields[3])}));
                self.specs.push((Value::Null, BTreeMap::new()));
            }
            "spec" => {
                self.current = fields[1].parse().unwrap();
                let spec = json!({"initContainers": [], "containers": [], "volumes": []});
                self.specs[self.current] = (spec, BTreeMap::new());
            }
            "volume" => {
                let image = json!({"reference": fields[3], "pullPolicy": fields[2]});
                let volumes = self.specs[self.current].0["volumes"].as_array_mut().unwrap();
                volumes.push(json!({"name": fields[1], "image": image}));
            }
            kind @ ("init" | "sidecar" | "main") => self.container(kind, fields),
            "failed" | "once" | "reset" => {}
            _ => self.state(fields),
        }
    }

    fn container(&mut self, kind: &str, fields: &[&str]) {
        let mounts = fields.get(4).map_or("", |mounts| *mounts).split(',');
        let mounts: Vec<Value> = mounts.map(|name| json!({"name": name})).collect();
        let container = json!({"name": fields[1], "imagePullPolicy": fields[2], "image": fields[3],
            "volumeMounts": mounts, "restartPolicy": (kind == "sidecar").then_some("Always")});
        let (list, statuses) = if kind == "main" {
            ("containers", "containerStatuses")
        } else {
            ("initContainers", "initContainerStatuses")
        };
        let (spec, kinds) = &mut self.specs[self.current];
        spec[list].as_array_mut().unwrap().push(container);
        kinds.insert(fields[1].to_owned(), statuses);
    }

    fn state(&mut self, fields: &[&str]) {
        let [at, _, pod, phase, generation, wrote, said @ ..] = fields else {
            panic!("{fields:?}")
        };
        let number: usize = pod.parse().unwrap();
        let (spec, kinds) = &self.specs[number];
        let mut status = json!({"phase": phase.trim_end_matches('!')});
        let (generation, observed) = generation.split_once('/').unwrap_or((generation, generation));
        if let Ok(observed) = observed.parse::<i64>() {
            status["observedGeneration"] = observed.into();
        }
        for (name, state) in said.iter().map(|state| state.split_once('=').unwrap()) {
            let list = &mut status[kinds[name]];
            if list.is_null() {
                *list = json!([]);
            }
            list.as_array_mut().unwrap().push(self.container_state(name, state));
        }
        let mut meta = self.metas[number].clone();
        meta["generation"] = generation.parse::<i64>().unwrap().into();
        if phase.ends_with('!') {
            meta["deletionTimestamp"] = meta["creationTimestamp"].clone();
        }
        if let Ok(second) = wrote.split('+').next().unwrap_or_default().parse::<i64>() {
            meta["managedFields"] = json!([{"manager": "kubelet", "subresource": "status",
                "time": self.second(&second.to_string()),
                "fieldsV1": {"f:status": {"f:containerStatuses": {}}}}]);
        }
        let at = self.wall + at.parse::<i64>().unwrap();
        let at = Timestamp::from_millisecond(at).unwrap();
        self.states.push((at, json!({"metadata": meta, "spec": spec, "status": status})));
    }

    fn container_state(&self, name: &str, text: &str) -> Value {
        let said = text.trim_end_matches('@');
        let state = match said {
            "running" | "terminated" => json!({said: {}}),
            waiting => {
                let (reason, message) = waiting.split_once('#').unwrap_or((waiting, ""));
                let message =
                    message.parse().ok().and_then(|number: usize| self.messages.get(number));
                json!({"waiting": {"reason": reason, "message": message.cloned().unwrap_or_default()}})
            }
        };
        let image_id = if text.ends_with('@') { "sha256:00" } else { "" };
        json!({"name": name, "state": state, "imageID": image_id})
    }

    fn second(&self, second: &str) -> String {
        let second = self.wall.div_euclid(1000) + second.parse::<i64>().unwrap();
        Timestamp::from_second(second).unwrap().to_string()
    }
}

#[test]
fn each_recorded_state_gets_an_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("engine/tests/recordings/data");
    let (mut files, mut states) = (0, 0);
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let recording = Recording::read(&std::fs::read_to_string(&path).unwrap());
        for (at, pod) in &recording.states {
            for (finding, governed) in both(pod, *at).iter().zip([false, true]) {
                is_answer(finding, governed)
                    .unwrap_or_else(|wrong| panic!("{} at {at}: {wrong}", path.display()));
            }
            states += 1;
        }
        files += 1;
    }
    assert!(files == 56 && states > 2000, "{states} states of {files} recordings");
}
