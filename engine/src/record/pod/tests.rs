//! Histories of one Pod as rows of (second, standing), and what they count and open.

use proptest::prelude::*;

use super::*;
use crate::cause::Cause;
use crate::observe::{Failure, ImageSeen};
use crate::record::Run;

const IMAGE: &str = "r.io/a:1";

struct Told {
    history: PodHistory,
    counted: u32,
}

impl Told {
    fn new() -> Self {
        Self { history: PodHistory::default(), counted: 0 }
    }

    fn now(second: u64) -> Now {
        let wall = Timestamp::from_second(1_000_000 + i64::try_from(second).unwrap()).unwrap();
        Now { elapsed: Duration::from_secs(second), wall }
    }

    /// A status that arrives the second it was written.
    fn seen(&mut self, second: u64, standing: Standing) -> &mut Self {
        self.arrives(second, 0, false, false, standing)
    }

    fn arrives(
        &mut self,
        second: u64,
        late: u64,
        listed: bool,
        init_completed: bool,
        standing: Standing,
    ) -> &mut Self {
        let creating = standing == Standing::Wanted;
        let seen = Observation { init_completed, creating, ..showing(standing) };
        let arrival = Arrival { listed, wrote: Some(Self::now(second).wall) };
        let now = Self::now(second + late);
        let steps = self.history.record(&seen, arrival, now, &Timing::kubelet(), |_| None);
        self.counted +=
            u32::try_from(steps.iter().filter(|(_, s)| matches!(s, Step::Failed { .. })).count())
                .unwrap();
        self
    }

    fn moment(&self, second: u64) -> Result<(), Closed> {
        self.history.moment(IMAGE, Self::now(second), &Timing::kubelet()).map(|until| {
            assert!(until >= Self::now(second).elapsed, "a moment that is open has not ended");
        })
    }
}

fn showing(standing: Standing) -> Observation<'static> {
    let image =
        ImageSeen { image: IMAGE, container: "main", standing, always: false, started: None };
    Observation { images: [image].into_iter().collect(), ..Observation::default() }
}

fn window() -> Standing {
    Standing::Window(Failure { cause: Cause::NotFound })
}

fn back_off() -> Standing {
    Standing::BackOff(None)
}

fn throttled() -> Standing {
    Standing::Window(Failure { cause: Cause::NodeThrottled })
}

#[test]
fn windows_are_counted_and_not_the_events_or_back_offs_between_them() {
    for (rows, counted) in [
        (vec![(1, window()), (2, window()), (14, back_off()), (20, back_off())], 1),
        (vec![(1, window()), (14, back_off()), (27, window()), (40, back_off())], 2),
        (vec![(1, back_off()), (14, back_off()), (27, window())], 2),
        (vec![(1, window()), (3, Standing::Wanted), (14, back_off())], 1),
        (vec![(1, window()), (3, Standing::Unclear), (14, back_off()), (27, window())], 2),
        (vec![(1, window()), (14, Standing::Crashing), (27, window())], 2),
        (vec![(1, throttled()), (14, back_off()), (27, throttled())], 0),
        (
            vec![
                (1, window()),
                (14, back_off()),
                (27, throttled()),
                (40, back_off()),
                (53, window()),
            ],
            2,
        ),
    ] {
        let mut told = Told::new();
        for (second, standing) in rows.clone() {
            told.seen(second, standing);
        }
        assert_eq!(told.counted, counted, "{rows:?}");
    }
}

#[test]
fn the_limit_of_the_node_does_not_hide_the_last_cause() {
    let mut told = Told::new();
    told.seen(1, window()).seen(14, back_off()).seen(27, throttled());
    assert_eq!(told.history.track(IMAGE).unwrap().runs.newest_cause(), Some(Cause::NotFound));
}

#[test]
fn a_started_image_ends_the_count_and_a_kubelet_restart_does_not() {
    let mut told = Told::new();
    told.seen(1, window()).seen(14, back_off()).seen(20, Standing::Wanted).seen(30, window());
    assert_eq!(told.history.track(IMAGE).unwrap().runs.failed_pulls(), 2);
    told.seen(40, back_off()).seen(60, Standing::Pulled);
    assert!(told.history.track(IMAGE).is_none());
}

#[test]
fn the_safe_moment_lasts_five_seconds_from_the_window_that_was_seen_to_open() {
    let mut told = Told::new();
    told.seen(0, Standing::Wanted).seen(1, window());
    for (second, open) in [(1, true), (6, true), (7, false)] {
        assert_eq!(told.moment(second).is_ok(), open, "at {second}");
    }
}

#[test]
fn no_moment_opens_where_it_is_not_known_that_no_pull_runs() {
    type Act<'a> = &'a dyn Fn(&mut Told);
    let first = |told: &mut Told| {
        told.seen(0, Standing::Wanted);
    };
    let cases: [(&str, Act<'_>); 6] = [
        ("a list", &|t| {
            t.arrives(1, 0, true, false, window());
        }),
        ("a late event", &|t| {
            t.arrives(1, 6, false, false, window());
        }),
        ("the first window long after the containers were waiting", &|t| {
            t.seen(7, window());
        }),
        ("the first window after an init container has ended", &|t| {
            t.arrives(2, 0, false, true, window());
        }),
        ("a first sight in back-off", &|t| {
            t.seen(1, back_off());
        }),
        ("another image still to be pulled", &|t| {
            t.seen(1, window()).seen(2, Standing::Wanted);
        }),
    ];
    for (name, act) in cases {
        let mut told = Told::new();
        first(&mut told);
        act(&mut told);
        assert!(told.moment(8).is_err() && told.moment(2).is_err(), "{name}");
    }
}

#[test]
fn an_event_that_took_its_time_leaves_the_rest_of_the_moment() {
    let mut told = Told::new();
    told.seen(0, Standing::Wanted).seen(1, window()).seen(14, back_off());
    told.arrives(40, 4, false, false, window());
    for (second, open) in [(44, true), (45, true), (46, false)] {
        assert_eq!(told.moment(second).is_ok(), open, "at {second}, written at 40");
    }
}

#[test]
fn a_write_from_the_future_opens_no_moment_and_says_why() {
    for (wrote, moment) in [(28, Ok(())), (29, Err(Closed::ClockSkew))] {
        let mut told = Told::new();
        told.seen(1, window()).seen(14, back_off());
        let arrival = Arrival { listed: false, wrote: Some(Told::now(wrote).wall) };
        let seen = showing(window());
        told.history.record(&seen, arrival, Told::now(27), &Timing::kubelet(), |_| None);
        assert_eq!(told.moment(27), moment, "written at {wrote}, seen at 27");
    }
}

#[test]
fn a_forgiven_window_that_is_still_open_does_not_count_again() {
    let mut told = Told::new();
    told.seen(1, window());
    told.history.forgive();
    assert!(told.history.track(IMAGE).unwrap().runs.is_empty());
    told.seen(2, window());
    assert_eq!(told.counted, 1);
    told.seen(14, back_off()).seen(27, window());
    assert_eq!(told.counted, 2);
}

#[test]
fn an_image_is_newly_pulled_once() {
    let image = |image, standing| ImageSeen {
        image,
        container: "main",
        standing,
        always: false,
        started: None,
    };
    let mut history = PodHistory::default();
    for (a, b, newly) in [
        (Standing::Wanted, Standing::Wanted, vec![]),
        (Standing::Wanted, Standing::Pulled, vec!["b"]),
        (Standing::Pulled, Standing::Pulled, vec!["a"]),
        (Standing::Pulled, Standing::Pulled, vec![]),
    ] {
        let images = [image("a", a), image("b", b)].into_iter().collect();
        let seen = Observation { images, ..Observation::default() };
        assert_eq!(history.newly_pulled(&seen).collect::<Vec<_>>(), newly, "{a:?} {b:?}");
    }
}

#[test]
fn a_secret_that_was_mended_leaves_an_ordinary_failure() {
    let mut told = Told::new();
    told.seen(0, Standing::Wanted).seen(1, Standing::Once(Failure { cause: Cause::Unknown }));
    assert!(told.history.track(IMAGE).unwrap().once.is_some());
    told.seen(20, Standing::Window(Failure { cause: Cause::Unknown }));
    assert!(told.history.track(IMAGE).unwrap().once.is_none());
}

#[test]
fn a_second_window_needs_no_fresh_pod() {
    let mut told = Told::new();
    told.arrives(1, 0, true, false, back_off()).seen(27, window());
    assert!(told.moment(27).is_err(), "the first window that is seen of this Pod");
    told.seen(40, back_off()).seen(80, window());
    assert!(told.moment(80).is_ok());
}

#[test]
fn an_image_that_the_runtime_could_not_be_asked_about_counts_nothing_and_may_be_pulled_at_any_time()
{
    let unasked = || Standing::Unasked(Failure { cause: Cause::RuntimeUnavailable });
    let mut told = Told::new();
    told.seen(0, Standing::Wanted).seen(1, window());
    assert!(told.moment(2).is_ok());
    let other = ImageSeen {
        image: "r.io/b:1",
        container: "b",
        standing: unasked(),
        always: false,
        started: None,
    };
    let mut seen = showing(back_off());
    seen.images.push(other);
    let arrival = Arrival { listed: false, wrote: Some(Told::now(3).wall) };
    told.history.record(&seen, arrival, Told::now(3), &Timing::kubelet(), |_| None);
    assert_eq!(told.moment(3), Err(Closed::StillPulling));
    told.seen(14, unasked()).seen(27, unasked());
    assert_eq!(told.counted, 1);
}

#[test]
fn a_checkpoint_that_an_older_version_could_not_read_adds_nothing() {
    let run =
        |cause| Run { cause, failed_pulls: 2, first: Told::now(1).wall, last: Told::now(9).wall };
    for (held, counted) in [(Cause::Unknown, 2), (Cause::NotFound, 2), (Cause::RateLimited, 3)] {
        let mut told = Told::new();
        told.seen(20, window());
        told.history.restore(&showing(window()), 0, Runs::of(run(held)));
        let track = told.history.track(IMAGE).unwrap();
        assert_eq!(track.runs.failed_pulls(), counted, "{held}");
    }
}

#[test]
fn a_checkpoint_that_holds_as_much_as_was_seen_adds_nothing() {
    let at = Told::now(1).wall;
    let mut told = Told::new();
    told.seen(20, window());
    let run = Run { cause: Cause::NotFound, failed_pulls: 1, first: at, last: at };
    told.history.restore(&showing(window()), 0, Runs::of(run));
    let run = told.history.track(IMAGE).unwrap().runs.newest_of(&[Cause::NotFound]).unwrap();
    assert_eq!((run.failed_pulls, run.last), (1, Told::now(20).wall));
}

/// Any standing that a status can show.
fn any_standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        Just(window()),
        Just(back_off()),
        Just(throttled()),
        Just(Standing::BackOff(Some(Failure { cause: Cause::NotFound }))),
        Just(Standing::Wanted),
        Just(Standing::Blocked),
        Just(Standing::Crashing),
        Just(Standing::Unclear),
        Just(Standing::Unasked(Failure { cause: Cause::RuntimeUnavailable })),
        Just(Standing::Once(Failure { cause: Cause::NeverPullAbsent })),
        Just(Standing::Pulled),
    ]
}

proptest! {
    #[test]
    fn a_status_that_is_seen_twice_counts_once(
        standings in proptest::collection::vec(any_standing(), 0..40),
    ) {
        let (mut once, mut twice) = (Told::new(), Told::new());
        for (second, standing) in (0..).step_by(13).zip(standings) {
            once.seen(second, standing);
            twice.seen(second, standing).seen(second + 1, standing);
        }
        prop_assert_eq!(once.counted, twice.counted);
    }

    #[test]
    fn whatever_is_missed_the_count_is_never_higher(
        standings in proptest::collection::vec((any_standing(), any::<bool>()), 0..40),
    ) {
        let mut told = Told::new();
        // After a start the count begins anew; one life of the image is enough here.
        let one_life = standings
            .into_iter()
            .filter(|(s, _)| !matches!(s, Standing::Pulled | Standing::Once(_)));
        let mut windows = 0;
        for (second, (standing, missed)) in (0..).step_by(13).zip(one_life) {
            windows += u32::from(standing == window());
            if !missed {
                told.seen(second, standing);
            }
        }
        prop_assert!(told.counted <= windows + 1, "a first sight in back-off counts one");
    }
}
