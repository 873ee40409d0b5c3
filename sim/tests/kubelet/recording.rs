//! What was recorded of a pod on a real kubelet, and the pulls that its registry played: the
//! files in `tests/data`.
//!
//! A file has one line for each fact, fields separated by tabs:
//!
//! ```text
//! pod        NAME  GRACE_MS
//! container  KIND  NAME  POLICY  IMAGE
//! pull       IMAGE  fails AFTER_MS MESSAGE | succeeds AFTER_MS | hangs
//! runs       IMAGE  LASTS_MS  EXIT_CODE
//! T_MS       PHASE CONTAINER=REASON...     what a watcher saw, since the pod was created
//! T_MS       !ACTION                       what was done: delete GRACE_MS, fail, edit IMAGE,
//!                                          stopped, started (the kubelet)
//! ```
//!
//! The lines after `pod` are about that pod. Equal states in a row are one line.

use std::fmt::Write as _;
use std::time::Duration;

use dislodge_sim::kubelet::{Container, ContainerKind, Pod, PullPolicy};
use dislodge_sim::registry::{Pull, Registry, Run, Script};

use crate::bench::ms;

/// One pod of a recorded case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recording {
    pub(crate) pod: Pod,
    /// The pulls of each image, in order; the last one repeats.
    pub(crate) pulls: Vec<(String, Pull)>,
    pub(crate) runs: Vec<(String, Run)>,
    pub(crate) lines: Vec<(Duration, Line)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Seen(String),
    Delete(Duration),
    Fail,
    Edit(String),
    Stopped,
    Started,
}

impl Recording {
    /// The registry as it was played.
    pub(crate) fn registry(&self) -> Registry {
        let mut scripts: Vec<(String, Script)> = Vec::new();
        for (image, pull) in &self.pulls {
            match scripts.iter_mut().find(|(known, _)| known == image) {
                Some((_, script)) => *script = script.clone().then(pull.clone()),
                None => scripts.push((image.clone(), Script::always(pull.clone()))),
            }
        }
        let mut registry = Registry::new(Script::succeeds(ms(50)));
        for (image, script) in scripts {
            let run = self.runs.iter().find(|(known, _)| *known == image);
            registry.play(&image, script.runs(run.map_or(Run::for_ever(), |(_, run)| *run)));
        }
        registry
    }

    /// All pods of a file.
    pub(crate) fn read(text: &str) -> Vec<Self> {
        let mut recordings: Vec<Self> = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            if fields[0] == "pod" {
                let mut pod = Pod::new(fields[1], "recorded", fields[1]);
                pod.grace = milliseconds(fields[2]);
                let (pulls, runs, lines) = (Vec::new(), Vec::new(), Vec::new());
                recordings.push(Self { pod, pulls, runs, lines });
                continue;
            }
            recordings.last_mut().unwrap().take(&fields);
        }
        recordings
    }

    fn take(&mut self, fields: &[&str]) {
        match fields[0] {
            "container" => {
                let mut container = Container::new(kind(fields[1]), fields[2], fields[4]);
                container.pull_policy = policy(fields[3]);
                self.pod.containers.push(container);
            }
            "pull" => {
                let pull = match fields[2] {
                    "fails" => Pull::Fails {
                        after: milliseconds(fields[3]),
                        message: fields[4].to_owned(),
                    },
                    "succeeds" => Pull::Succeeds { after: milliseconds(fields[3]) },
                    _ => Pull::Hangs,
                };
                self.pulls.push((fields[1].to_owned(), pull));
            }
            "runs" => {
                let run = Run::lasting(milliseconds(fields[2]), fields[3].parse().unwrap());
                self.runs.push((fields[1].to_owned(), run));
            }
            at => self.lines.push((milliseconds(at), Line::read(fields[1]))),
        }
    }

    /// The lines of a file; [`Recording::read`] reads them back.
    pub(crate) fn write(&self) -> String {
        let mut text = String::new();
        writeln!(text, "pod\t{}\t{}", self.pod.key.name, self.pod.grace.as_millis()).unwrap();
        for Container { name, kind, image, pull_policy, .. } in &self.pod.containers {
            writeln!(text, "container\t{kind:?}\t{name}\t{pull_policy:?}\t{image}").unwrap();
        }
        for (image, pull) in &self.pulls {
            let pull = match pull {
                Pull::Fails { after, message } => {
                    format!("fails\t{}\t{message}", after.as_millis())
                }
                Pull::Succeeds { after } => format!("succeeds\t{}", after.as_millis()),
                Pull::Hangs | Pull::SecretUnreadable { .. } => "hangs".to_owned(),
            };
            writeln!(text, "pull\t{image}\t{pull}").unwrap();
        }
        for (image, Run { lasts, exit_code, .. }) in &self.runs {
            writeln!(text, "runs\t{image}\t{}\t{exit_code}", lasts.unwrap().as_millis()).unwrap();
        }
        for (at, line) in &self.lines {
            writeln!(text, "{}\t{}", at.as_millis(), line.write()).unwrap();
        }
        text
    }
}

impl Line {
    fn read(text: &str) -> Self {
        let Some(action) = text.strip_prefix('!') else {
            return Self::Seen(text.to_owned());
        };
        match action.split_once(' ') {
            Some(("delete", grace)) => Self::Delete(milliseconds(grace)),
            Some(("edit", image)) => Self::Edit(image.to_owned()),
            _ if action == "fail" => Self::Fail,
            _ if action == "stopped" => Self::Stopped,
            _ => Self::Started,
        }
    }

    pub(crate) fn write(&self) -> String {
        match self {
            Self::Seen(state) => state.clone(),
            Self::Delete(grace) => format!("!delete {}", grace.as_millis()),
            Self::Fail => "!fail".to_owned(),
            Self::Edit(image) => format!("!edit {image}"),
            Self::Stopped => "!stopped".to_owned(),
            Self::Started => "!started".to_owned(),
        }
    }
}

fn milliseconds(text: &str) -> Duration {
    ms(text.parse().unwrap())
}

fn kind(text: &str) -> ContainerKind {
    match text {
        "Init" => ContainerKind::Init,
        "Sidecar" => ContainerKind::Sidecar,
        _ => ContainerKind::Main,
    }
}

pub(crate) fn policy(text: &str) -> PullPolicy {
    match text {
        "Always" => PullPolicy::Always,
        "Never" => PullPolicy::Never,
        _ => PullPolicy::IfNotPresent,
    }
}
