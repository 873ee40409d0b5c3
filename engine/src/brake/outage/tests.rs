use std::time::Duration;

use super::super::tally;
use super::*;

const LIMITS: Outage = Outage { distinct_jobs: 3, window_seconds: 300, max_hold_seconds: 0 };
const HOST: &str = "r.io";
/// The registry was asked, and has answered.
const ASKED: Proof = Proof { always: true, had_failed: false };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn now(second: i64) -> Now {
    Now { elapsed: Duration::ZERO, wall: at(second) }
}

fn policy(name: &str) -> Key {
    Key::new("team", name)
}

fn fail(outages: &mut Outages, job: u128, repository: &str, cause: Cause, second: i64) -> bool {
    outages.failed("team", HOST, Uid::from_u128(job), repository, cause, (at(second), at(second)))
}

fn is_open(outages: &mut Outages, second: i64) -> bool {
    outages.assess(&policy("p"), &LIMITS, HOST, now(second)) != State::Closed
}

/// Open since second 2, with jobs 1 to 3.
fn opened() -> Outages {
    let mut outages = Outages::default();
    for job in 1..=3 {
        fail(&mut outages, job, "a", Cause::Network, i64::try_from(job).unwrap() - 1);
    }
    assert!(is_open(&mut outages, 2));
    outages
}

#[test]
fn jobs_count_for_transient_causes_and_repositories_for_the_others() {
    use Cause::{DiskFull, Network, NotFound, Tls, Unauthorized, Unknown};
    for (failures, expected) in [
        (&[(1, "a", Network), (2, "a", Tls), (3, "a", Network)][..], true),
        (&[(1, "a", Network), (1, "b", Network), (1, "c", Network)], false),
        (&[(1, "a", Network), (2, "a", Network), (2, "b", Network)], false),
        (&[(1, "a", NotFound), (2, "a", NotFound), (3, "a", NotFound)], false),
        (&[(1, "a", NotFound), (2, "b", Unauthorized), (3, "c", NotFound)], true),
        (&[(1, "a", NotFound), (1, "b", NotFound), (1, "c", NotFound)], true),
        (&[(1, "a", NotFound), (2, "b", NotFound), (3, "b", Network)], false),
        (&[(1, "a", DiskFull), (2, "b", DiskFull), (3, "c", DiskFull)], false),
        (&[(1, "a", Unknown), (2, "b", Unknown), (3, "c", Unknown)], false),
    ] {
        let mut outages = Outages::default();
        for (job, repository, cause) in failures {
            fail(&mut outages, *job, repository, *cause, 0);
        }
        assert_eq!(is_open(&mut outages, 0), expected, "{failures:?}");
    }
}

#[test]
fn only_first_failures_within_the_window_open_it() {
    for (seconds, asked, expected) in [
        ([0, 100, 300], 300, true),
        ([0, 100, 301], 301, false),
        ([0, 100, 200], 301, false),
        ([0, 1, 2], 300, true),
        ([0, 1, 350], 0, false), // a clock that has jumped back
    ] {
        let mut outages = Outages::default();
        for (job, second) in seconds.into_iter().enumerate() {
            fail(&mut outages, u128::try_from(job).unwrap() + 1, "a", Cause::Network, second);
        }
        assert_eq!(is_open(&mut outages, asked), expected, "{seconds:?} at {asked}");
    }
}

#[test]
fn jobs_that_go_on_failing_have_failed_first_only_once() {
    let mut outages = Outages::default();
    // A job begins to fail each 200 s, and each is tried again every 330 s.
    let mut failures: Vec<(i64, u128, bool)> = (0..10)
        .flat_map(|job| (0..20).map(move |round| (job * 200 + round * 330, job, round == 0)))
        .map(|(second, job, first)| (second, u128::try_from(job).unwrap(), first))
        .collect();
    failures.sort_unstable();
    for (second, job, first) in failures {
        assert_eq!(fail(&mut outages, job, "a", Cause::Tls, second), first);
        assert!(!is_open(&mut outages, second), "at {second}");
    }
}

#[test]
fn a_repository_that_failed_long_ago_fails_for_the_first_time_again() {
    let mut outages = Outages::default();
    assert!(fail(&mut outages, 1, "a", Cause::NotFound, 0));
    assert!(!fail(&mut outages, 2, "a", Cause::NotFound, 900));
    assert!(!fail(&mut outages, 3, "a", Cause::NotFound, 1800));
    assert!(fail(&mut outages, 4, "a", Cause::NotFound, 2701));
}

#[test]
fn once_open_it_stays_open_while_anything_fails_that_counts() {
    let mut outages = opened();
    for second in (300..20_000).step_by(300) {
        assert!(is_open(&mut outages, second), "at {second}");
        fail(&mut outages, 1, "a", Cause::Network, second);
    }
    let State::Open { since, jobs } = outages.assess(&policy("p"), &LIMITS, HOST, now(20_000))
    else {
        panic!("it is open")
    };
    assert_eq!((since, jobs), (at(2), 3));
}

#[test]
fn it_closes_by_itself_when_nothing_failed_for_two_windows_and_no_sooner_than_900_s() {
    for (window_seconds, quiet) in [(1, 900), (300, 900), (450, 900), (451, 902), (3600, 7200)] {
        let limits = Outage { window_seconds, ..LIMITS };
        let (mut outages, key) = (Outages::default(), policy("p"));
        for job in 1..=3 {
            fail(&mut outages, job, "a", Cause::Network, 10);
        }
        assert_eq!(outages.quiet_at(&key, &limits, HOST), None);
        outages.assess(&key, &limits, HOST, now(10));
        fail(&mut outages, 4, "a", Cause::DiskFull, 800); // does not count, and is no sign either
        assert_eq!(outages.quiet_at(&key, &limits, HOST), Some(at(10 + quiet)));
        assert!(outages.close_quiet(&key, &limits, now(9 + quiet)).is_empty());
        assert_eq!(outages.open(&key).count(), 1);
        assert_eq!(outages.close_quiet(&key, &limits, now(10 + quiet)), [HOST]);
        assert_eq!(outages.open(&key).count(), 0);
        assert!(outages.close_quiet(&key, &limits, now(11 + quiet)).is_empty(), "once");
    }
}

#[test]
fn what_starts_after_it_opened_closes_it_if_it_proves_a_pull() {
    for (had_failed, always, second, closes) in [
        (true, false, 3, true),
        (false, true, 3, true),
        (false, false, 3, false),
        (true, true, 2, false),
        (true, true, 1, false),
    ] {
        let mut outages = opened();
        let proof = Proof { had_failed, always };
        assert!(outages.pulled("team", "other.io", proof, at(second)).is_empty());
        assert!(outages.pulled("others", HOST, proof, at(second)).is_empty());
        let closed: &[&str] = if closes { &["p"] } else { &[] };
        assert_eq!(outages.pulled("team", HOST, proof, at(second)), closed, "{proof:?} {second}");
        assert_eq!(is_open(&mut outages, 4), !closes);
    }
}

#[test]
fn after_it_was_closed_the_count_begins_anew_with_what_failed_since() {
    let mut outages = opened();
    fail(&mut outages, 4, "a", Cause::Network, 10);
    assert_eq!(outages.pulled("team", HOST, ASKED, at(9)), ["p"]);
    for (job, open) in [(4, false), (1, false), (2, true)] {
        fail(&mut outages, job, "a", Cause::Network, 11);
        assert_eq!(is_open(&mut outages, 11), open, "job {job}");
    }
}

#[test]
fn a_pull_that_closes_nothing_forgets_nothing() {
    let mut outages = Outages::default();
    fail(&mut outages, 1, "a", Cause::Network, 0);
    fail(&mut outages, 2, "a", Cause::Network, 0);
    assert!(outages.pulled("team", HOST, ASKED, at(5)).is_empty());
    fail(&mut outages, 3, "a", Cause::Network, 6);
    assert!(is_open(&mut outages, 6));
}

#[test]
fn policies_of_a_namespace_share_the_count_and_each_has_its_thresholds() {
    let (strict, lax) = (policy("strict"), policy("lax"));
    let of_five = Outage { distinct_jobs: 5, ..LIMITS };
    let mut outages = Outages::default();
    for job in 1..=4 {
        fail(&mut outages, job, "a", Cause::Network, 0);
    }
    let open = State::Open { since: at(1), jobs: 4 };
    assert_eq!(outages.assess(&strict, &LIMITS, HOST, now(1)), open);
    assert_eq!(outages.assess(&lax, &of_five, HOST, now(1)), State::Closed);
    assert_eq!(outages.assess(&Key::new("others", "p"), &LIMITS, HOST, now(1)), State::Closed);
    fail(&mut outages, 5, "a", Cause::Network, 7);
    let open = State::Open { since: at(7), jobs: 5 };
    assert_eq!(outages.assess(&lax, &of_five, HOST, now(7)), open);
    // In between the two openings a container starts: only the earlier one is closed.
    assert_eq!(outages.pulled("team", HOST, ASKED, at(5)), ["strict"]);
    assert_eq!(outages.assess(&strict, &LIMITS, HOST, now(7)), State::Closed);
    assert_eq!(outages.assess(&lax, &of_five, HOST, now(7)), open);
    outages.forget_policy(&lax);
    assert_eq!(outages.assess(&lax, &of_five, HOST, now(7)), open, "made anew, it has its breaker");
    outages.forget_policy(&strict);
    outages.forget_policy(&lax);
    assert!(!outages.namespaces.is_empty());
    assert_eq!(outages.pulled("team", HOST, ASKED, at(9)), ["lax"]);
    outages.forget_policy(&lax);
    assert!(outages.namespaces.is_empty(), "with the last policy goes what was counted");
}

#[test]
fn what_was_restored_for_a_policy_outlives_another_policy() {
    let mut outages = Outages::default();
    outages.restore(&policy("p"), &opened().open(&policy("p")).collect::<Vec<_>>(), now(10));
    outages.assess(&policy("other"), &LIMITS, HOST, now(10));
    outages.forget_policy(&policy("other"));
    assert_eq!(outages.open(&policy("p")).count(), 1);
}

#[test]
fn who_fails_stays_known_for_two_of_the_longest_window_that_a_policy_has_now() {
    let mut outages = Outages::default();
    for (window_seconds, second, first) in [
        (300, 0, true),
        (3600, 901, true),
        (3600, 8101, false),
        (300, 15_302, true),
        (300, 16_203, true),
    ] {
        // Each is told, then the policy is edited.
        assert_eq!(fail(&mut outages, 1, "a", Cause::NotFound, second), first, "at {second}");
        let limits = Outage { window_seconds, ..LIMITS };
        outages.assess(&policy("p"), &limits, HOST, now(second));
    }
}

#[test]
fn the_rules_act_again_when_it_was_open_for_too_long() {
    let mut outages = opened();
    let limits = Outage { max_hold_seconds: 600, ..LIMITS };
    fail(&mut outages, 1, "a", Cause::Network, 600);
    assert_eq!(outages.overdue_at(&policy("p"), &LIMITS, HOST), None);
    assert_eq!(outages.overdue_at(&policy("p"), &limits, HOST), Some(at(602)));
    let mut assess = |limits, second| outages.assess(&policy("p"), limits, HOST, now(second));
    assert_eq!(assess(&limits, 601), State::Open { since: at(2), jobs: 3 });
    assert_eq!(assess(&limits, 602), State::Overdue);
    assert_eq!(assess(&LIMITS, 602), State::Open { since: at(2), jobs: 3 });
    assert_eq!(outages.open(&policy("p")).count(), 1, "it still counts as down");
}

#[test]
fn it_survives_a_restart_and_then_has_a_whole_time_of_quiet() {
    let written: Vec<OpenOutage> = opened().open(&policy("p")).collect();
    assert_eq!(written.len(), 1);
    let mut outages = Outages::default();
    outages.restore(&policy("p"), &written, now(5000));
    assert_eq!(outages.open(&policy("p")).collect::<Vec<_>>(), written);
    let open = State::Open { since: at(2), jobs: 3 };
    assert_eq!(outages.assess(&policy("p"), &LIMITS, HOST, now(5899)), open);
    assert_eq!(outages.close_quiet(&policy("p"), &LIMITS, now(5900)), [HOST]);
    outages.restore(&policy("p"), &[], now(0));
}

#[test]
fn what_is_restored_lies_in_the_past_and_its_quiet_begins_now_whatever_was_listed_before() {
    let mut outages = Outages::default();
    fail(&mut outages, 1, "a", Cause::Network, 0);
    let ahead = OpenOutage { host: HOST.to_owned(), since_time: at(9000), distinct_jobs: 3 };
    outages.restore(&policy("p"), &[ahead], now(5000));
    let restored: Vec<Timestamp> = outages.open(&policy("p")).map(|o| o.since_time).collect();
    assert_eq!(restored, [at(5000)]);
    assert_eq!(outages.quiet_at(&policy("p"), &LIMITS, HOST), Some(at(5900)));
}

#[test]
fn the_status_lists_the_oldest_first_and_no_more_than_it_may() {
    let mut outages = Outages::default();
    let open: Vec<OpenOutage> = (0..60)
        .map(|n| OpenOutage { host: format!("{}.io", 59 - n), since_time: at(n), distinct_jobs: 3 })
        .collect();
    outages.restore(&policy("p"), &open, now(100));
    assert_eq!(outages.open(&policy("p")).collect::<Vec<_>>(), open[..bounds::OUTAGES]);
    outages.forget_namespace("team");
    assert_eq!(outages.open(&policy("p")).count(), 0);
}

#[test]
fn a_wall_clock_that_jumps_back_keeps_nothing_open_for_ever() {
    let mut outages = opened();
    // Also where nobody asks any more.
    assert!(outages.close_quiet(&policy("p"), &LIMITS, now(-100_000)).is_empty());
    assert_eq!(outages.quiet_at(&policy("p"), &LIMITS, HOST), Some(at(-99_100)));
    assert!(is_open(&mut outages, -100_000));
    assert_eq!(outages.clone().pulled("team", HOST, ASKED, at(-99_999)), ["p"]);
    assert_eq!(outages.close_quiet(&policy("p"), &LIMITS, now(-99_100)), [HOST]);
}

#[test]
fn memory_is_bounded_and_an_open_breaker_is_forgotten_last() {
    let mut outages = opened();
    for job in 0..5000 {
        fail(&mut outages, job, &format!("r{job}"), Cause::NotFound, 5);
        fail(&mut outages, job, "a", Cause::Network, 5);
    }
    let registry = &outages.namespaces["team"].hosts[HOST];
    let sizes = [registry.failing.len(), registry.jobs.len(), registry.repositories.len()];
    assert_eq!(sizes, [tally::MOST; 3]);
    for n in 0..1000 {
        let host = format!("{n}.io");
        outages.failed(
            "team",
            &host,
            Uid::from_u128(1),
            "a",
            Cause::Network,
            (at(10 + n), at(10 + n)),
        );
    }
    let hosts = &outages.namespaces["team"].hosts;
    assert_eq!(hosts.len(), MOST_HOSTS);
    assert!(hosts.contains_key(HOST) && hosts.contains_key("999.io"));
    assert!(!hosts.contains_key("0.io"));
    let idle = at(100_000);
    outages.failed("team", "new.io", Uid::from_u128(1), "a", Cause::Network, (idle, idle));
    assert_eq!(outages.namespaces["team"].hosts.len(), 2, "the open one and the new one");
}

#[test]
fn a_host_where_nothing_fails_any_more_takes_no_memory() {
    let mut outages = Outages::default();
    fail(&mut outages, 1, "a", Cause::Network, 0);
    assert!(!is_open(&mut outages, 900));
    assert_eq!(outages.namespaces["team"].hosts.len(), 1);
    assert!(!is_open(&mut outages, 901));
    assert_eq!(outages.namespaces["team"].hosts.len(), 0);
}

#[test]
fn a_repository_is_the_image_without_host_tag_and_digest() {
    for (image, expected) in [
        ("busybox", "busybox"),
        ("library/busybox:1", "busybox"),
        ("docker.io/library/busybox", "busybox"),
        ("index.docker.io/team/app:1", "team/app"),
        ("team/app", "team/app"),
        ("r.io/team/app:v1", "team/app"),
        ("r.io:5000/team/app:v1@sha256:00", "team/app"),
        ("localhost/app@sha256:00", "app"),
        ("r.io/library/busybox", "library/busybox"),
        ("r.io:5000/a", "a"),
        ("", ""),
        ("r.io/", ""),
        (":", ""),
    ] {
        assert_eq!(repository(image), expected, "{image}");
    }
}
