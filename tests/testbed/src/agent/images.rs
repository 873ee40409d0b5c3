//! What the pulls of each image do, as tests set it while the nodes run.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dislodge_sim::registry::{Fault, OnSigterm, Registry, Run, Runtime, Script};

/// How long a pull takes, in real time, before it succeeds or fails.
const PULL: Duration = Duration::from_millis(200);

type Otherwise = Box<dyn Fn(&str) -> Script + Send>;

/// The registries of the world. A clone is the same: several nodes can share it.
#[derive(Clone)]
pub struct Images {
    state: Arc<Mutex<State>>,
}

struct State {
    registry: Registry,
    known: BTreeSet<String>,
    otherwise: Otherwise,
}

impl std::fmt::Debug for Images {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Images").finish_non_exhaustive()
    }
}

impl Default for Images {
    fn default() -> Self {
        Self::otherwise(usual_script)
    }
}

impl Images {
    /// Registries in which an image without a script of its own has the one that this makes of it.
    pub fn otherwise(script: impl Fn(&str) -> Script + Send + 'static) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                registry: Registry::new(Script::succeeds(PULL)),
                known: BTreeSet::new(),
                otherwise: Box::new(script),
            })),
        }
    }

    /// Plays a script for an image from its beginning. This is also how a tag is pushed or a registry
    /// repaired. A pull in flight goes on, and a node that has the image keeps it.
    pub fn set(&self, image: &str, script: Script) {
        self.with(|state| {
            state.known.insert(image.to_owned());
            state.registry.play(image, script);
        });
    }

    /// How many pulls of an image have begun on all nodes since its script began.
    pub fn pulls(&self, image: &str) -> usize {
        self.with(|state| state.registry.pulls(image))
    }

    /// An image is going to be asked for: from now on it has a script.
    pub(super) fn expect(&self, image: &str) {
        self.with(|state| {
            if state.known.insert(image.to_owned()) {
                let script = (state.otherwise)(image);
                state.registry.play(image, script);
            }
        });
    }

    /// Lets the kubelet pull.
    pub(super) fn pull<T>(&self, pulling: impl FnOnce(&mut Registry) -> T) -> T {
        self.with(|state| pulling(&mut state.registry))
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The script of an image about which a test says nothing: a repository whose name ends in `missing`
/// is not found (in the words of containerd 2); every other image is pulled in 0.2 s, and its
/// containers run until they are asked to end, which they do at once.
pub fn usual_script(image: &str) -> Script {
    if repository(image).ends_with("missing") {
        return Script::fails(PULL, Fault::NotFound.message(Runtime::Containerd2, image));
    }
    let run = Run { lasts: None, exit_code: 0, on_sigterm: OnSigterm::Ends { exit_code: 143 } };
    Script::succeeds(PULL).runs(run)
}

fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        // A colon before the last slash is the registry's port.
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_an_image_without_tag_and_digest() {
        for (image, wanted) in [
            ("busybox", "busybox"),
            ("registry.example:5000/a/missing", "registry.example:5000/a/missing"),
            ("registry.example:5000/a/missing:v1", "registry.example:5000/a/missing"),
            ("a/missing:v1@sha256:00", "a/missing"),
        ] {
            assert_eq!(repository(image), wanted);
        }
    }

    #[test]
    fn a_script_that_a_test_has_set_is_not_replaced_by_the_usual_one() {
        let images = Images::default();
        let mine = Script::hangs();
        images.set("a/missing", mine.clone());
        images.expect("a/missing");
        images.expect("b");
        let scripts = images.pull(|registry| format!("{registry:?}"));
        assert!(scripts.contains("Hangs"), "{scripts}");
        assert!(!scripts.contains("not found"), "{scripts}");
    }
}
