//! What is known of one Pod's images, and whether now is a safe moment to act on it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Runs, Step, Track};
use crate::cause::Cause;
use crate::few::Few;
use crate::observe::{Observation, Standing, registry_host};
use crate::time::Now;
use crate::timing::Timing;

/// How a status came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// By a list, which says nothing of when it changed, and not by a watch event.
    pub listed: bool,
    /// When the kubelet wrote it, by the API server's clock.
    pub wrote: Option<Timestamp>,
}

/// Why it is no safe moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closed {
    /// The newest failed pull is too long ago, or it is not known when it was: the next pull may
    /// be running.
    Late,
    /// Another image of the Pod is still to be pulled.
    StillPulling,
    /// A pull may run that nothing shows: what kept the kubelet from pulling may be mended by now, and it
    /// would not say so before the pull has ended.
    Unshown,
    /// The kubelet seems to have written in the future: our clock and the API server's differ too
    /// much to tell when.
    ClockSkew,
}

/// The images of one Pod that have failed, and what tells a safe moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodHistory {
    tracks: Few<Arc<str>, Track>,
    /// When the kubelet wrote that the containers wait for their images, as a watch event told.
    creating: Option<Duration>,
    /// A status has been taken in.
    known: bool,
    /// The newest status shows an image whose pull may begin at any time.
    wanted: bool,
    /// Images that were on the node in the newest status: a bit each, in the spec's order.
    pulled: u64,
}

impl PodHistory {
    /// Takes in a new status. `inherit` gives what a Pod that this one replaces had counted for
    /// an image; it is asked at the first failure of the image here.
    pub fn record(
        &mut self,
        seen: &Observation<'_>,
        arrival: Arrival,
        now: Now,
        timing: &Timing,
        mut inherit: impl FnMut(&str) -> Option<Track>,
    ) -> Vec<(Arc<str>, Step)> {
        self.known = true;
        let age = arrival.wrote.map(|wrote| now.wall.duration_since(wrote));
        let at = arrival.wrote.unwrap_or(now.wall);
        if seen.creating
            && !arrival.listed
            && let Some(since) = age.and_then(|age| opened(age, now, timing))
        {
            self.creating.get_or_insert(since);
        }
        self.wanted = seen.images.iter().any(|image| image.standing.may_be_pulled());
        // An edited image is a new one; what the old one did is over.
        self.tracks.retain(|image, _| seen.images.iter().any(|i| i.image == &**image));

        let mut steps = Vec::new();
        for image in &seen.images {
            let (name, mut track) = match self.tracks.remove(image.image) {
                Some(known) => known,
                None if matches!(
                    image.standing,
                    Standing::Once(_) | Standing::Window(_) | Standing::BackOff(_)
                ) =>
                {
                    (Arc::from(image.image), Track::default())
                }
                None => continue,
            };
            let whole_age = age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default();
            let fresh = track.runs.is_empty();
            let step = track.step(image.standing, at, now.elapsed, whole_age);
            if let Step::Failed { window } = step {
                if fresh && let Some(inherited) = inherit(&name) {
                    track.inherit(inherited);
                }
                (track.opened, track.skewed) = (None, false);
                track.failed_again(at);
                if window {
                    let prompt = track.windows > 0 || self.is_prompt(seen, now, timing);
                    track.windows = track.windows.saturating_add(1);
                    track.skewed = age.is_some_and(|age| age < -signed(timing.skew));
                    if prompt && !track.skewed && !arrival.listed {
                        track.opened = age.and_then(|age| opened(age, now, timing));
                    }
                }
            }
            if step != Step::Nothing {
                steps.push((Arc::clone(&name), step));
            }
            if track.is_known() {
                self.tracks.insert(name, track);
            }
        }
        steps
    }

    /// Whether the first window of an image is published at once: only right after the Pod's
    /// sandbox was made. Behind an init container, or another container's long pull, it comes up
    /// to 15 s late (live.md 1), when the second pull may be running.
    fn is_prompt(&self, seen: &Observation<'_>, now: Now, timing: &Timing) -> bool {
        let fresh = |since| now.elapsed.saturating_sub(since) <= timing.moment;
        !seen.init_completed && self.creating.is_some_and(fresh)
    }

    /// Until when no pull of this Pod can be running, now that `image` has failed, as
    /// [`Now::elapsed`].
    ///
    /// # Errors
    /// Why it is no safe moment.
    pub fn moment(&self, image: &str, now: Now, timing: &Timing) -> Result<Duration, Closed> {
        if self.wanted {
            return Err(Closed::StillPulling);
        }
        let track = self.tracks.get(image);
        match track.and_then(|track| track.opened) {
            Some(opened) if now.elapsed.saturating_sub(opened) <= timing.moment => {
                Ok(opened.saturating_add(timing.moment))
            }
            _ if track.is_some_and(|track| track.skewed) => Err(Closed::ClockSkew),
            _ if track.is_some_and(|track| track.once.is_some()) => Err(Closed::Unshown),
            _ => Err(Closed::Late),
        }
    }

    /// The same for an image that was found bad without a pull: there is no pull of its own to wait for.
    /// `None`: there is no end to it.
    ///
    /// # Errors
    /// Another image of the Pod is still to be pulled, or waits for its next pull and may be pulled already:
    /// a Pod that is deleted then starts that container once its pull has ended (live.md 0.1).
    pub fn moment_without_a_pull(
        &self,
        image: &str,
        now: Now,
        timing: &Timing,
    ) -> Result<Option<Duration>, Closed> {
        if self.wanted {
            return Err(Closed::StillPulling);
        }
        let others = self.tracks().filter(|(name, _)| ***name != *image);
        let mut end: Option<Duration> = None;
        for (other, _) in others.filter(|(_, track)| !track.is_without_a_pull()) {
            let until = self.moment(other, now, timing).map_err(|_| Closed::StillPulling)?;
            end = Some(end.map_or(until, |end| end.min(until)));
        }
        Ok(end)
    }

    /// The images that this status shows on the node and the one before did not.
    pub fn newly_pulled<'a>(&mut self, seen: &'a Observation<'_>) -> impl Iterator<Item = &'a str> {
        let before = self.pulled;
        self.pulled = 0;
        // More images than bits are passed over: what gone Pods counted of them stays.
        let bits = (0..u64::BITS).map(|bit| 1_u64 << bit).zip(&seen.images);
        let pulled = bits.filter(|(_, image)| image.standing == Standing::Pulled);
        for (bit, _) in pulled.clone() {
            self.pulled |= bit;
        }
        pulled.filter(move |(bit, _)| before & bit == 0).map(|(_, image)| image.image)
    }

    /// Whether so many images are on the node.
    pub fn has_pulled(&self, images: usize) -> bool {
        self.pulled.count_ones() as usize == images
    }

    /// Whether any status of the Pod has been taken in.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// The images that have failed.
    pub fn tracks(&self) -> impl Iterator<Item = (&Arc<str>, &Track)> {
        self.tracks.pairs().filter(|(_, track)| !track.runs.is_empty())
    }

    /// What is known of an image.
    pub fn track(&self, image: &str) -> Option<&Track> {
        self.tracks.get(image)
    }

    /// Puts a checkpoint's count of the image at this place of a status in, where it is higher than
    /// what has been seen since. An image that is on the node, in this status or the one before, has
    /// no failures any more. That a status shows no failure right now says nothing: a kubelet that
    /// has just started does not remember any (kubelet.md 3.3).
    pub fn restore(&mut self, seen: &Observation<'_>, place: usize, runs: Runs) {
        let Some(image) = seen.images.get(place) else { return };
        let bit = u32::try_from(place).ok().and_then(|place| 1_u64.checked_shl(place));
        let was_pulled = bit.is_none_or(|bit| self.pulled & bit != 0);
        if was_pulled || image.standing == Standing::Pulled {
            return;
        }
        let known = self.tracks.remove(image.image);
        let (name, mut track) = known.unwrap_or_else(|| (image.image.into(), Track::default()));
        let since = std::mem::take(&mut track.runs);
        // A back-off without a message (up to 1.31) contradicts nothing.
        let told = since.newest_cause().filter(|cause| *cause != Cause::Unknown);
        // Nor does what could not be read, perhaps by an older version, contradict what can be now.
        let held = runs.newest_cause().filter(|cause| *cause != Cause::Unknown);
        let another = told.is_some() && held.is_some() && told != held;
        track.runs = if another {
            // What has been seen since ends the run of the checkpoint's cause.
            let mut both = runs;
            both.append(since);
            both
        } else if since.failed_pulls() < runs.failed_pulls() {
            runs
        } else {
            since
        };
        self.tracks.insert(name, track);
    }

    /// Starts all counts anew; the status that is shown now does not count again.
    pub fn forgive(&mut self) {
        self.tracks.pairs_mut().for_each(|(_, track)| track.forgive());
    }

    /// The registry was down and is back: see [`Track::registry_is_back`].
    pub fn registry_is_back(&mut self, host: &str) {
        let of_host = |image: &str| registry_host(image) == host;
        let tracks = self.tracks.pairs_mut().filter(|(image, _)| of_host(image));
        tracks.for_each(|(_, track)| track.registry_is_back());
    }

    /// Gives away what was counted: the Pod is gone, or has ended.
    pub fn into_tracks(self) -> impl Iterator<Item = (Arc<str>, Track)> {
        self.tracks.into_iter().filter(|(_, track)| !track.runs.is_empty())
    }

    /// Takes back what it had given away: the Pod lives after all.
    pub fn put_back(&mut self, image: Arc<str>, mut track: Track) {
        track.opened = None;
        self.tracks.insert(image, track);
    }
}

/// Since when the window has been open: since the kubelet wrote the status, which may have taken its
/// time to get here. `None` where it took too long.
fn opened(age: jiff::SignedDuration, now: Now, timing: &Timing) -> Option<Duration> {
    let age = Duration::try_from(age).unwrap_or_default();
    // The API server keeps whole seconds; a scaled clock has to allow for that.
    let late = age.saturating_sub(timing.anchor.saturating_sub(timing.moment));
    (age <= timing.anchor).then(|| now.elapsed.saturating_sub(late))
}

fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
