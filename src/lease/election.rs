//! Who may act, as a pure decision. Timing and fields are client-go's
//! (tools/leaderelection/leaderelection.go), so that kubectl and people read them as usual.

use std::time::Duration;

use jiff::Timestamp;

/// How long a Lease lasts without a renewal (client-go: `LeaseDuration`).
pub const LEASE: Duration = Duration::from_secs(15);
/// How long after its last renewal the holder still acts (client-go: `RenewDeadline`). What is
/// left of [`LEASE`] is for clocks that run at different speeds.
pub const RENEW: Duration = Duration::from_secs(10);
/// Pause between two tries (client-go: `RetryPeriod`).
pub const RETRY: Duration = Duration::from_secs(2);

/// What stands in a Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; empty: nobody.
    pub holder: String,
    /// How long it lasts without a renewal.
    pub duration: Duration,
    /// When the holder took it, by the holder's clock.
    pub acquired: Option<Timestamp>,
    /// When the holder renewed it last, by the holder's clock.
    pub renewed: Option<Timestamp>,
    /// How often it has changed hands.
    pub transitions: i32,
}

/// What to do with the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is ours: renew it.
    Renew,
    /// It is free: take it.
    Acquire,
    /// It is somebody else's: look again at that time.
    Wait(Duration),
}

/// What one candidate has seen of a Lease.
///
/// All times are the candidate's own (since its process began). The times in the Lease are other
/// machines' clocks and are never compared with ours: a holder is alive as long as the Lease
/// changes.
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    seen: Option<(Record, Duration)>,
}

impl Election {
    /// A candidate that has seen nothing.
    pub const fn new(identity: String) -> Self {
        Self { identity, seen: None }
    }

    /// The Lease was read (or written by us) at that time.
    pub fn observe(&mut self, record: Record, at: Duration) {
        if self.seen.as_ref().is_none_or(|(known, _)| *known != record) {
            self.seen = Some((record, at));
        }
    }

    /// There is no Lease.
    pub fn forget(&mut self) {
        self.seen = None;
    }

    /// What to do at that time.
    pub fn decide(&self, at: Duration) -> Decision {
        let Some((record, since)) = &self.seen else { return Decision::Acquire };
        if record.holder == self.identity {
            // Also after a crash: the same name is the same replica, started anew.
            return Decision::Renew;
        }
        let expires = *since + record.duration;
        if record.holder.is_empty() || expires <= at {
            Decision::Acquire
        } else {
            Decision::Wait(expires.min(at + RETRY))
        }
    }

    /// What to write at that wall time, given what was decided.
    pub fn next(&self, decision: Decision, wall: Timestamp) -> Record {
        let kept = self.seen.as_ref().map(|(record, _)| record);
        let renewal = decision == Decision::Renew;
        Record {
            holder: self.identity.clone(),
            duration: LEASE,
            acquired: kept.filter(|_| renewal).and_then(|kept| kept.acquired).or(Some(wall)),
            renewed: Some(wall),
            transitions: kept.map_or(0, |kept| {
                if renewal { kept.transitions } else { kept.transitions.saturating_add(1) }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn wall(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn held(by: &str, renewed: i64) -> Record {
        Record {
            holder: by.to_owned(),
            duration: LEASE,
            acquired: Some(wall(1)),
            renewed: Some(wall(renewed)),
            transitions: 3,
        }
    }

    /// A candidate called "me" that saw these records at these times.
    fn candidate(seen: &[(Record, u64)]) -> Election {
        let mut election = Election::new("me".to_owned());
        for (record, seconds) in seen {
            election.observe(record.clone(), at(*seconds));
        }
        election
    }

    #[test]
    fn the_lease_goes_to_whom_it_belongs() {
        type Row = (&'static str, Vec<(Record, u64)>, u64, Decision);
        let table: Vec<Row> = vec![
            ("no lease", vec![], 0, Decision::Acquire),
            ("released", vec![(Record::default(), 0)], 0, Decision::Acquire),
            ("ours", vec![(held("me", 5), 0)], 1, Decision::Renew),
            ("ours, long after a crash", vec![(held("me", 5), 0)], 99, Decision::Renew),
            (
                "just seen, however old it says it is",
                vec![(held("you", 5), 0)],
                0,
                Decision::Wait(at(2)),
            ),
            ("about to expire", vec![(held("you", 5), 0)], 14, Decision::Wait(at(15))),
            ("not renewed", vec![(held("you", 5), 0)], 15, Decision::Acquire),
            (
                "seen again, unchanged",
                vec![(held("you", 5), 0), (held("you", 5), 14)],
                15,
                Decision::Acquire,
            ),
            (
                "renewed",
                vec![(held("you", 5), 0), (held("you", 7), 14)],
                28,
                Decision::Wait(at(29)),
            ),
            (
                "renewed long ago",
                vec![(held("you", 5), 0), (held("you", 7), 14)],
                29,
                Decision::Acquire,
            ),
            (
                "taken over",
                vec![(held("me", 5), 0), (held("you", 7), 9)],
                10,
                Decision::Wait(at(12)),
            ),
        ];
        for (name, seen, now, decision) in table {
            assert_eq!(candidate(&seen).decide(at(now)), decision, "{name}");
        }
    }

    #[test]
    fn a_holder_whose_clock_is_wrong_keeps_its_lease_as_long_as_it_renews() {
        let mut election = candidate(&[]);
        for round in 0..100 {
            let record = held("you", -1000 + i64::try_from(round).unwrap());
            election.observe(record, at(round * 10));
            let decision = election.decide(at(round * 10 + 9));
            assert!(matches!(decision, Decision::Wait(_)), "{round}: {decision:?}");
        }
    }

    #[test]
    fn a_renewal_keeps_when_it_was_taken_and_a_change_of_hands_is_counted() {
        let renewal = candidate(&[(held("me", 5), 0)]).next(Decision::Renew, wall(9));
        assert_eq!((renewal.acquired, renewal.renewed), (Some(wall(1)), Some(wall(9))));
        assert_eq!(renewal.transitions, 3);

        let taken = candidate(&[(held("you", 5), 0)]).next(Decision::Acquire, wall(9));
        assert_eq!((taken.acquired, taken.renewed), (Some(wall(9)), Some(wall(9))));
        assert_eq!((taken.transitions, taken.holder.as_str()), (4, "me"));

        let first = candidate(&[]).next(Decision::Acquire, wall(9));
        assert_eq!((first.transitions, first.duration), (0, LEASE));
    }

    #[test]
    fn the_holder_stops_acting_before_anybody_else_may_begin() {
        assert!(RENEW + RETRY < LEASE);
    }
}
