//! Words of an API, in 16 bytes: those that are met all the time take no room beside that.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::decode::Text;

/// A word that objects repeat: the type of a condition, its status and reason, a kind.
#[derive(Clone)]
pub struct Word(Spelling);

#[derive(Clone)]
enum Spelling {
    /// The place in [`KNOWN`].
    Known(u8),
    Other(Box<str>),
}

/// The words that are met all the time; the first is what [`Word::default`] says.
const KNOWN: &[&str] = &[
    "",
    "default-scheduler",
    "True",
    "False",
    "Unknown",
    "Job",
    "batch/v1",
    "JobSet",
    "jobset.x-k8s.io/v1alpha2",
    "CronJob",
    "Pod",
    "v1",
    "Workload",
    "QuotaReserved",
    "Admitted",
    "PodsReady",
    "Evicted",
    "Preempted",
    "Requeued",
    "Finished",
    "Suspended",
    "Complete",
    "Failed",
    "FailureTarget",
    "SuccessCriteriaMet",
    "Started",
    "WaitForStart",
    "WaitForRecovery",
    "Succeeded",
    "JobResumed",
    "JobSuspended",
    "Ready",
    "Pending",
    "Inadmissible",
    "Deactivated",
    "CompletionsReached",
];

impl Word {
    /// Its number, where it is met all the time. The same only within one process.
    pub(crate) fn place(&self) -> Option<u8> {
        match self.0 {
            Spelling::Known(place) => Some(place),
            Spelling::Other(_) => None,
        }
    }

    /// The word with that number ([`Self::place`]).
    pub(crate) const fn at(place: u8) -> Self {
        Self(Spelling::Known(place))
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Spelling::Known(place) => KNOWN.get(usize::from(*place)).copied().unwrap_or_default(),
            Spelling::Other(word) => word,
        }
    }
}

impl std::ops::Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Default for Word {
    fn default() -> Self {
        Self(Spelling::Known(0))
    }
}

impl From<&str> for Word {
    fn from(word: &str) -> Self {
        let place = KNOWN.iter().position(|known| *known == word);
        let place = place.and_then(|place| u8::try_from(place).ok());
        Self(place.map_or_else(|| Spelling::Other(word.into()), Spelling::Known))
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Word {}

impl PartialEq<str> for Word {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(&*Text::deserialize(deserializer)?.0))
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_says_what_it_was_made_of() {
        for word in KNOWN.iter().copied().chain(["Other", "true"]) {
            let read: Word = serde_json::from_value(word.into()).unwrap();
            assert_eq!(read, word);
            assert_eq!(read, Word::from(word));
        }
        assert_eq!(Word::default(), "");
        assert_eq!(size_of::<Word>(), 16);
    }
}
