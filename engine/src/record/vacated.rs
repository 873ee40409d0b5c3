//! Counts of Pods that are gone, until the Pods that replace them take them over.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Track;
use crate::objects::Uid;
use crate::observe::registry_host;

/// Beyond so many the lowest go: under-counting is allowed.
const MOST: usize = 64;

/// The API server keeps whole seconds, and its clock and ours differ a little.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

/// A Pod's place in its job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its completion index, in an Indexed Job: only the Pod of the same index replaces it.
    pub index: Option<u32>,
    /// When the API server stored it first.
    pub created: Option<Timestamp>,
}

/// The counts that wait for an heir, within one job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vacated(Vec<Left>);

/// What one Pod had counted for one image.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Left {
    pod: Uid,
    place: Place,
    /// When it ended, at the latest.
    ended: Timestamp,
    image: Arc<str>,
    track: Track,
}

impl Vacated {
    /// A Pod is gone, and had counted this.
    pub fn leave(
        &mut self,
        (pod, place): (Uid, Place),
        ended: Timestamp,
        image: Arc<str>,
        track: Track,
    ) {
        self.0.push(Left { pod, place, ended, image, track });
        self.0.sort_by_key(|left| std::cmp::Reverse(left.track.runs.failed_pulls()));
        self.0.truncate(MOST);
    }

    /// A Pod that came later fails for the first time: it takes the highest count of the image.
    /// Each count has one heir, so that 64 Pods that failed once and are replaced make no 65. A Pod
    /// that was there before the other ended replaces nobody.
    pub fn take(&mut self, image: &str, heir: Place) -> Option<Track> {
        let at = self.0.iter().position(|left| {
            let later = heir.created.is_none_or(|created| created + SLACK >= left.ended);
            *left.image == *image && left.place.index == heir.index && later
        })?;
        Some(self.0.remove(at).track)
    }

    /// A Pod that seemed to have ended lives: a phase that somebody else wrote was taken back by the
    /// kubelet (live.md 0.6). It goes on from what it had counted, and inherits nothing of itself.
    pub fn reclaim(&mut self, pod: Uid) -> impl Iterator<Item = (Arc<str>, Track)> {
        self.0.extract_if(.., move |left| left.pod == pod).map(|left| (left.image, left.track))
    }

    /// The image has started somewhere in the job: what gone Pods said of it is over.
    pub fn settle(&mut self, image: &str) {
        self.0.retain(|left| *left.image != *image);
    }

    /// The registry was down and is back: see [`Track::registry_is_back`].
    pub fn registry_is_back(&mut self, host: &str) {
        for left in self.0.iter_mut().filter(|left| registry_host(&left.image) == host) {
            left.track.registry_is_back();
        }
        self.0.retain(|left| !left.track.runs.is_empty());
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::record::{Run, Runs};

    fn left() -> Vacated {
        let at = Timestamp::UNIX_EPOCH;
        let run = Run { cause: Cause::NotFound, failed_pulls: 3, first: at, last: at };
        let pod = Uid::from_u128(1);
        let mut vacated = Vacated::default();
        let track = Track::of(Runs::of(run));
        vacated.leave((pod, Place::default()), at, "r.io/a:1".into(), track);
        vacated
    }

    #[test]
    fn a_count_has_one_heir_and_only_of_its_image() {
        let mut vacated = left();
        assert_eq!(vacated.take("r.io/b:1", Place::default()), None);
        let track = vacated.take("r.io/a:1", Place::default());
        assert_eq!(track.map(|track| track.runs.failed_pulls()), Some(3));
        assert_eq!(vacated.take("r.io/a:1", Place::default()), None);
    }

    #[test]
    fn what_is_forgotten_has_no_heir() {
        let mut vacated = left();
        vacated.clear();
        assert_eq!(vacated.take("r.io/a:1", Place::default()), None);
    }
}
