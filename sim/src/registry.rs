//! What the pulls of each image do, as data.

mod fault;

use std::collections::BTreeMap;
use std::time::Duration;

pub use fault::{Fault, Runtime};

/// All registries of the cluster: one script for each image, as it stands in the pods' specs.
///
/// Durations are in real time; the kubelet's [`Timing`](crate::kubelet::Timing) scales them.
#[derive(Debug, Clone)]
pub struct Registry {
    scripts: BTreeMap<String, Script>,
    otherwise: Script,
    pulls: BTreeMap<(String, String), usize>,
}

impl Registry {
    /// A registry that plays `otherwise` for every image without a script of its own.
    pub const fn new(otherwise: Script) -> Self {
        Self { scripts: BTreeMap::new(), otherwise, pulls: BTreeMap::new() }
    }

    /// Plays `script` for `image` from its beginning, in place of what was played before: this is
    /// also how an image is pushed, removed, or a registry repaired. Pulls in flight go on.
    pub fn play(&mut self, image: &str, script: Script) {
        self.pulls.retain(|(pulled, _), _| pulled != image);
        self.scripts.insert(image.to_owned(), script);
    }

    /// The same, for building.
    pub fn with(mut self, image: &str, script: Script) -> Self {
        self.play(image, script);
        self
    }

    /// How many pulls of `image` have begun since its script began.
    pub fn pulls(&self, image: &str) -> usize {
        self.pulls.iter().filter(|((pulled, _), _)| pulled == image).map(|(_, count)| count).sum()
    }

    /// The pod with this uid begins to pull `image`.
    pub(crate) fn pull(&mut self, uid: &str, image: &str) -> Pull {
        let count = self.pulls.entry((image.to_owned(), uid.to_owned())).or_default();
        let of_this_pod = *count;
        *count += 1;
        let of_all = self.pulls(image) - 1;
        let script = self.script(image);
        let position = match script.counted {
            Counted::Together => of_all,
            Counted::EachPod => of_this_pod,
        };
        script.pulls.get(position).unwrap_or(&script.last).clone()
    }

    /// How a container of `image` runs.
    pub(crate) fn run(&self, image: &str) -> Run {
        self.script(image).run
    }

    fn script(&self, image: &str) -> &Script {
        self.scripts.get(image).unwrap_or(&self.otherwise)
    }
}

/// What the pulls of one image do, in order, and how its containers run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pulls: Vec<Pull>,
    last: Pull,
    run: Run,
    counted: Counted,
}

impl Script {
    /// Every pull does the same; containers run for ever.
    pub const fn always(pull: Pull) -> Self {
        Self { pulls: Vec::new(), last: pull, run: Run::for_ever(), counted: Counted::Together }
    }

    /// Every pull succeeds after this time.
    pub const fn succeeds(after: Duration) -> Self {
        Self::always(Pull::Succeeds { after })
    }

    /// Every pull fails after this time with this text of the container runtime.
    pub fn fails(after: Duration, message: impl Into<String>) -> Self {
        Self::always(Pull::Fails { after, message: message.into() })
    }

    /// Every pull hangs without an error.
    pub const fn hangs() -> Self {
        Self::always(Pull::Hangs)
    }

    /// The next pull, and all later ones, do this instead of what the last one so far did.
    pub fn then(mut self, pull: Pull) -> Self {
        self.pulls.push(std::mem::replace(&mut self.last, pull));
        self
    }

    /// What the last pull so far does, `times` times altogether.
    pub fn times(mut self, times: usize) -> Self {
        self.pulls.extend(std::iter::repeat_n(self.last.clone(), times.saturating_sub(1)));
        self
    }

    /// Containers of the image run like this.
    pub const fn runs(mut self, run: Run) -> Self {
        self.run = run;
        self
    }

    /// Whether pods share the list of pulls or each pod goes through it by itself.
    pub const fn counted(mut self, counted: Counted) -> Self {
        self.counted = counted;
        self
    }
}

/// One pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pull {
    /// The image is on the node after this time.
    Succeeds {
        /// Real time.
        after: Duration,
    },
    /// The pull ends in an error.
    Fails {
        /// Real time.
        after: Duration,
        /// The text of the container runtime, as the kubelet publishes it with `ErrImagePull`.
        message: String,
    },
    /// The pull never ends (containerd 1.6 and a registry that never answers).
    Hangs,
    /// The kubelet cannot read the pull secret: it never asks the registry, and the error's text
    /// is reason and message at once (Kubernetes 1.33 and later).
    SecretUnreadable {
        /// The text, for instance `illegal base64 data at input byte 0`.
        message: String,
    },
}

/// How the containers of an image run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// When a container ends by itself, in real time; `None`: never.
    pub lasts: Option<Duration>,
    /// Its exit code then.
    pub exit_code: i32,
    /// What it does on SIGTERM.
    pub on_sigterm: OnSigterm,
}

impl Run {
    /// It runs for ever and ignores SIGTERM.
    pub const fn for_ever() -> Self {
        Self { lasts: None, exit_code: 0, on_sigterm: OnSigterm::Ignores }
    }

    /// It ends by itself; SIGTERM is ignored.
    pub const fn lasting(lasts: Duration, exit_code: i32) -> Self {
        Self { lasts: Some(lasts), exit_code, on_sigterm: OnSigterm::Ignores }
    }
}

/// What a container does on SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSigterm {
    /// Nothing: it is killed after the grace period (exit code 137) unless it ends before.
    Ignores,
    /// It ends at once.
    Ends {
        /// With this exit code.
        exit_code: i32,
    },
}

/// Which pulls a script counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Those of all pods together, as of a registry that changes with time.
    Together,
    /// Those of each pod by itself, so that each pod has the same history.
    EachPod,
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Duration = Duration::from_secs(1);

    #[test]
    fn a_script_is_played_in_order_and_its_last_pull_repeats() {
        let script = Script::fails(AFTER, "503")
            .times(2)
            .then(Pull::Hangs)
            .then(Pull::Succeeds { after: AFTER });
        let mut registry = Registry::new(Script::hangs()).with("app", script);
        let failed = Pull::Fails { after: AFTER, message: "503".into() };
        let succeeded = Pull::Succeeds { after: AFTER };
        let played: Vec<_> = (0..5).map(|_| registry.pull("pod", "app")).collect();
        assert_eq!(played, [failed.clone(), failed, Pull::Hangs, succeeded.clone(), succeeded]);
        assert_eq!(registry.pulls("app"), 5);
    }

    #[test]
    fn pods_share_the_list_unless_each_has_its_own() {
        for (counted, second) in
            [(Counted::Together, Pull::Hangs), (Counted::EachPod, Pull::Succeeds { after: AFTER })]
        {
            let script = Script::succeeds(AFTER).then(Pull::Hangs).counted(counted);
            let mut registry = Registry::new(Script::hangs()).with("app", script);
            registry.pull("one", "app");
            assert_eq!(registry.pull("two", "app"), second);
        }
    }

    #[test]
    fn a_pushed_image_succeeds_from_the_next_pull_on() {
        let mut registry = Registry::new(Script::fails(AFTER, "not found"));
        registry.pull("pod", "app");
        registry.play("app", Script::succeeds(AFTER));
        assert_eq!(registry.pull("pod", "app"), Pull::Succeeds { after: AFTER });
    }
}
