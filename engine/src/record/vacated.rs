//! Counts of Pods that are gone, until the Pods that replace them take them over.

use std::sync::Arc;

use super::Runs;

/// Beyond so many the lowest go: under-counting is allowed.
const MOST: usize = 64;

/// The counts that wait for an heir, within one job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vacated(Vec<(Arc<str>, Runs)>);

impl Vacated {
    /// A Pod is gone, and had counted this.
    pub fn leave(&mut self, image: Arc<str>, runs: Runs) {
        self.0.push((image, runs));
        self.0.sort_by_key(|(_, runs)| std::cmp::Reverse(runs.failed_pulls()));
        self.0.truncate(MOST);
    }

    /// A Pod that came later fails for the first time: it takes the highest count of the image.
    /// Each count has one heir, so that 64 Pods that failed once and are replaced make no 65.
    pub fn take(&mut self, image: &str) -> Option<Runs> {
        let at = self.0.iter().position(|(name, _)| **name == *image)?;
        Some(self.0.remove(at).1)
    }

    /// The image has started somewhere in the job: what gone Pods said of it is over.
    pub fn settle(&mut self, image: &str) {
        self.0.retain(|(name, _)| **name != *image);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
