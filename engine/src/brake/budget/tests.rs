use std::time::Duration;

use proptest::prelude::*;

use super::*;

const LIMITS: api::Budget = api::Budget { actions: 7, window_seconds: 100 };

fn now(second: u64) -> Now {
    let wall = Timestamp::from_second(1_000_000 + second.cast_signed()).unwrap();
    Now { elapsed: Duration::from_secs(second), wall }
}

/// What a process says whose wall clock has jumped.
fn jumped(second: u64, by: i64) -> Now {
    Now { wall: later(now(second).wall, SignedDuration::from_secs(by)), ..now(second) }
}

fn image(name: &str) -> Arc<str> {
    Arc::from(name)
}

/// Reserves until the budget says something else.
fn reserve(budget: &mut Budget, limits: api::Budget, at: Now) -> Answer {
    match budget.ask(&limits, &image("x"), Cause::Tls, at) {
        Answer::Reserve(reserve) => {
            budget.reserved_done(&reserve, at);
            budget.ask(&limits, &image("x"), Cause::Tls, at)
        }
        answer @ (Answer::Go | Answer::Exhausted { .. }) => answer,
    }
}

/// Takes as many slots as there are, each for a failure of its own.
fn exhaust(budget: &mut Budget, limits: api::Budget, at: Now) -> u32 {
    let mut taken = 0;
    while reserve(budget, limits, at) == Answer::Go {
        assert!(budget.take(&limits, &image("x"), Cause::Tls, at).is_some());
        taken += 1;
    }
    taken
}

fn in_use(start: Now, reserved: u32) -> BudgetUse {
    BudgetUse { window_start_time: Some(start.wall), reserved }
}

#[test]
fn slots_come_in_blocks_of_five_and_never_more_than_the_window_allows() {
    let mut budget = Budget::default();
    let Answer::Reserve(first) = budget.ask(&LIMITS, &image("a"), Cause::Tls, now(0)) else {
        panic!("nothing is reserved yet")
    };
    assert_eq!((first.slots, &first.budget), (5, &in_use(now(0), 5)));
    assert_eq!(budget.take(&LIMITS, &image("a"), Cause::Tls, now(0)), None, "not written yet");
    budget.reserved_done(&first, now(1));
    for _ in 0..5 {
        assert!(budget.take(&LIMITS, &image("a"), Cause::Tls, now(2)).is_some());
    }
    let Answer::Reserve(second) = budget.ask(&LIMITS, &image("a"), Cause::Tls, now(30)) else {
        panic!("two are left")
    };
    assert_eq!((second.slots, &second.budget), (2, &in_use(now(0), 7)));
    budget.reserved_done(&second, now(30));
    assert_eq!(exhaust(&mut budget, LIMITS, now(31)), 2);
    let until = now(100).wall;
    assert_eq!(reserve(&mut budget, LIMITS, now(99)), Answer::Exhausted { until });
}

#[test]
fn when_the_window_is_over_a_new_one_begins_and_nothing_of_the_old_is_left() {
    let mut budget = Budget::default();
    let missing = image("missing");
    assert_eq!(reserve(&mut budget, LIMITS, now(0)), Answer::Go);
    let old = [Cause::NotFound, Cause::Tls]
        .map(|cause| budget.take(&LIMITS, &missing, cause, now(0)).unwrap());
    for cause in [Cause::Tls, Cause::NotFound] {
        assert_eq!(budget.ask(&LIMITS, &missing, cause, now(99)), Answer::Go, "{cause}");
        let Answer::Reserve(next) = budget.ask(&LIMITS, &missing, cause, now(100)) else {
            panic!("{cause}: slots and sweeps end with their window")
        };
        assert_eq!((next.slots, next.budget), (5, in_use(now(100), 5)));
    }
    assert_eq!(exhaust(&mut budget, LIMITS, now(100)), 7);
    assert_eq!(budget.take(&LIMITS, &missing, Cause::NotFound, now(100)), None);
    for slot in &old {
        budget.give_back(slot);
    }
    let until = now(200).wall;
    assert_eq!(reserve(&mut budget, LIMITS, now(101)), Answer::Exhausted { until });
}

#[test]
fn a_sweep_with_one_mistake_takes_one_slot() {
    for (cause, other_image, other_cause, slots) in [
        (Cause::NotFound, false, None, 1),
        (Cause::InvalidReference, false, None, 1),
        (Cause::MissingOrDenied, false, None, 1),
        (Cause::Unauthorized, false, None, 4),
        (Cause::AccessDenied, false, None, 4),
        (Cause::Network, false, None, 4),
        (Cause::DiskFull, false, None, 4),
        (Cause::Unknown, false, None, 4),
        (Cause::NotFound, true, None, 4),
        (Cause::NotFound, false, Some(Cause::MissingOrDenied), 2),
    ] {
        let mut budget = Budget::default();
        assert_eq!(reserve(&mut budget, LIMITS, now(0)), Answer::Go);
        for n in 0..4 {
            let image = image(&if other_image { format!("i{n}") } else { "i".to_owned() });
            let cause = other_cause.filter(|_| n % 2 == 1).unwrap_or(cause);
            assert!(budget.take(&LIMITS, &image, cause, now(1)).is_some());
        }
        assert_eq!(5 - budget.granted, slots, "{cause} {other_image} {other_cause:?}");
    }
}

#[test]
fn a_sweep_goes_on_when_the_budget_is_used_up() {
    let mut budget = Budget::default();
    let typo = image("typo");
    assert_eq!(reserve(&mut budget, LIMITS, now(0)), Answer::Go);
    assert!(budget.take(&LIMITS, &typo, Cause::NotFound, now(0)).is_some());
    assert_eq!(exhaust(&mut budget, LIMITS, now(1)), 6);
    for _ in 0..500 {
        assert!(budget.take(&LIMITS, &typo, Cause::NotFound, now(50)).is_some());
    }
    assert_eq!(budget.take(&LIMITS, &typo, Cause::PlatformMismatch, now(50)), None);
    assert_eq!(budget.in_use(), in_use(now(0), 7));
}

#[test]
fn a_slot_is_free_again_only_when_all_that_share_it_were_refused() {
    let mut budget = Budget::default();
    let typo = image("typo");
    assert_eq!(reserve(&mut budget, LIMITS, now(0)), Answer::Go);
    let first = budget.take(&LIMITS, &typo, Cause::NotFound, now(0)).unwrap();
    let second = budget.take(&LIMITS, &typo, Cause::NotFound, now(0)).unwrap();
    budget.give_back(&first);
    assert_eq!(budget.granted, 4, "the second has been carried out, maybe");
    budget.give_back(&second);
    assert_eq!(budget.granted, 5);
    budget.give_back(&second);
    assert_eq!(budget.granted, 5, "nothing is left to be given back");
    let alone = budget.take(&LIMITS, &typo, Cause::Tls, now(0)).unwrap();
    assert_eq!(budget.granted, 4);
    budget.give_back(&alone);
    assert_eq!(budget.granted, 5);
}

#[test]
fn what_an_earlier_life_or_another_leader_has_reserved_is_used() {
    for (reserved, slots) in [(0, 5), (3, 4), (6, 1), (7, 0), (90, 0)] {
        let mut budget = Budget::default();
        budget.observed(&in_use(now(0), reserved), &LIMITS, now(60));
        match budget.ask(&LIMITS, &image("a"), Cause::Tls, now(60)) {
            Answer::Reserve(reserve) => {
                assert_eq!(
                    (reserve.slots, reserve.budget),
                    (slots, in_use(now(0), reserved + slots))
                );
            }
            answer @ (Answer::Go | Answer::Exhausted { .. }) => {
                assert_eq!((slots, answer), (0, Answer::Exhausted { until: now(100).wall }));
            }
        }
    }
}

#[test]
fn whether_the_watch_or_the_answer_comes_first_the_new_slots_are_ours_once() {
    for (watch_first, expected) in [(true, 5), (false, 5)] {
        let mut budget = Budget::default();
        let Answer::Reserve(reserve) = budget.ask(&LIMITS, &image("a"), Cause::Tls, now(0)) else {
            panic!("nothing is reserved yet")
        };
        if watch_first {
            budget.observed(&reserve.budget, &LIMITS, now(1));
            assert_eq!(budget.granted, 0);
        }
        budget.reserved_done(&reserve, now(1));
        budget.observed(&reserve.budget, &LIMITS, now(2));
        assert_eq!((budget.granted, budget.in_use()), (expected, in_use(now(0), 5)));
    }
}

#[test]
fn an_event_older_than_our_own_write_takes_nothing_back() {
    let mut budget = Budget::default();
    budget.observed(&in_use(now(0), 1), &LIMITS, now(10));
    assert_eq!(reserve(&mut budget, LIMITS, now(110)), Answer::Go);
    for old in [in_use(now(0), 1), BudgetUse::default(), in_use(now(110), 2)] {
        budget.observed(&old, &LIMITS, now(111));
        assert_eq!((budget.granted, budget.in_use()), (5, in_use(now(110), 5)), "{old:?}");
    }
}

#[test]
fn a_reservation_that_somebody_has_overtaken_gives_nothing() {
    let mut budget = Budget::default();
    let Answer::Reserve(late) = budget.ask(&LIMITS, &image("a"), Cause::Tls, now(0)) else {
        panic!("nothing is reserved yet")
    };
    budget.observed(&in_use(now(3), 2), &LIMITS, now(4));
    budget.reserved_done(&late, now(5));
    assert_eq!((budget.granted, budget.in_use()), (0, in_use(now(3), 2)));
}

#[test]
fn what_happens_between_a_write_and_its_answer_is_not_undone_by_the_answer() {
    let mut budget = Budget::default();
    assert_eq!(reserve(&mut budget, LIMITS, now(0)), Answer::Go);
    let mut taken = Vec::new();
    while let Some(slot) = budget.take(&LIMITS, &image("a"), Cause::Tls, now(0)) {
        taken.push(slot);
    }
    let ten = api::Budget { actions: 10, ..LIMITS };
    let Answer::Reserve(second) = budget.ask(&ten, &image("a"), Cause::Tls, now(1)) else {
        panic!("five are left")
    };
    budget.give_back(&taken[0]);
    budget.observed(&in_use(now(0), 12), &ten, now(2)); // another leader, by other limits
    budget.reserved_done(&second, now(3));
    assert_eq!((budget.granted, budget.in_use()), (6, in_use(now(0), 12)));
}

#[test]
fn two_windows_at_once_are_used_like_one() {
    for (theirs, reserved, start, used) in
        [(20, 6, 20, 6), (20, 2, 20, 5), (5, 6, 10, 6), (5, 2, 10, 5)]
    {
        let mut budget = Budget::default();
        assert_eq!(reserve(&mut budget, LIMITS, now(10)), Answer::Go);
        budget.observed(&in_use(now(theirs), reserved), &LIMITS, now(30));
        assert_eq!((budget.granted, budget.in_use()), (0, in_use(now(start), used)));
        assert_eq!(exhaust(&mut budget, LIMITS, now(31)), 7 - used);
    }
}

#[test]
fn limits_that_are_lowered_in_mid_window_hold_at_once() {
    let mut budget = Budget::default();
    budget.observed(&in_use(now(0), 2), &LIMITS, now(1));
    assert_eq!(reserve(&mut budget, LIMITS, now(1)), Answer::Go); // 2 of others, 5 of ours
    let lower = api::Budget { actions: 4, ..LIMITS };
    assert_eq!(exhaust(&mut budget, lower, now(2)), 2);
    assert_eq!(reserve(&mut budget, lower, now(2)), Answer::Exhausted { until: now(100).wall });
    assert_eq!(exhaust(&mut budget, LIMITS, now(3)), 3, "and raised again");
    let shorter = api::Budget { window_seconds: 10, ..LIMITS };
    assert_eq!(reserve(&mut budget, shorter, now(9)), Answer::Exhausted { until: now(10).wall });
    assert_eq!(reserve(&mut budget, shorter, now(10)), Answer::Go);
}

#[test]
fn a_start_in_the_future_by_more_than_a_window_is_no_window() {
    for (ahead, is_window) in [(1, true), (100, true), (101, false), (1_000_000, false)] {
        let mut budget = Budget::default();
        let start = jumped(0, ahead);
        budget.observed(&in_use(start, 7), &LIMITS, now(0));
        let answer = budget.ask(&LIMITS, &image("a"), Cause::Tls, now(0));
        assert_eq!(matches!(answer, Answer::Exhausted { .. }), is_window, "{ahead}: {answer:?}");
    }
}

#[test]
fn a_wall_clock_that_jumps_neither_ends_nor_lengthens_a_window_that_is_known() {
    for jump in [-1_000_000, -150, -1, 0, 1, 99, 100, 1_000_000] {
        let mut budget = Budget::default();
        assert_eq!(exhaust(&mut budget, LIMITS, now(0)), 7);
        let at = jumped(40, jump);
        let until = jumped(100, jump).wall;
        assert_eq!(reserve(&mut budget, LIMITS, at), Answer::Exhausted { until }, "{jump}");
        budget.observed(&budget.in_use(), &LIMITS, at);
        assert_eq!(exhaust(&mut budget, LIMITS, jumped(99, jump)), 0, "{jump}");
        assert_eq!(exhaust(&mut budget, LIMITS, jumped(100, jump)), 7, "{jump}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Processes that die, write, lose answers and hear late, on one status that takes a write only
    /// if nothing was written since what the writer has seen.
    #[test]
    fn never_more_actions_in_one_window_whoever_lives_leads_and_hears(
        actions in 1_u32..12,
        steps in prop::collection::vec((0_usize..2, 0_u8..8, 0_u64..12), 1..200),
    ) {
        let limits = api::Budget { actions, window_seconds: 100 };
        // The newest write that a process has seen is the version that it guards its own with.
        let (mut status, mut version) = (BudgetUse::default(), 0_u32);
        let mut processes = [Budget::default(), Budget::default()];
        let mut seen = [0_u32; 2];
        let mut pending: [Option<(Reserve, u32)>; 2] = [None, None];
        let mut slots: Vec<(usize, Slot)> = Vec::new();
        let mut done: BTreeMap<Timestamp, u32> = BTreeMap::new();
        let mut second = 0;
        for (who, what, pause) in steps {
            second += pause;
            let at = now(second);
            match what {
                0 => {
                    // Dies; the next life reads the status.
                    processes[who] = Budget::default();
                    pending[who] = None;
                    slots.retain(|(owner, _)| *owner != who);
                    processes[who].observed(&status, &limits, at);
                    seen[who] = version;
                }
                1 => {
                    processes[who].observed(&status, &limits, at);
                    seen[who] = version;
                }
                2 => {
                    if let Some((reserve, written)) = pending[who].take() {
                        processes[who].reserved_done(&reserve, at);
                        seen[who] = seen[who].max(written);
                    }
                }
                3 => pending[who] = None, // the answer is lost
                4 => {
                    let own: Vec<usize> =
                        (0..slots.len()).filter(|n| slots[*n].0 == who).collect();
                    if let Some(n) = own.first() {
                        let (_, slot) = slots.remove(*n);
                        processes[who].give_back(&slot);
                        *done.get_mut(&slot.window).unwrap() -= 1;
                    }
                }
                _ => match processes[who].ask(&limits, &image("x"), Cause::Tls, at) {
                    Answer::Go => {
                        let slot = processes[who].take(&limits, &image("x"), Cause::Tls, at);
                        let slot = slot.unwrap();
                        let count = done.entry(slot.window).or_default();
                        *count += 1;
                        prop_assert!(*count <= actions, "{count} in {:?}", slot.window);
                        slots.push((who, slot));
                    }
                    Answer::Reserve(reserve) if pending[who].is_none() && seen[who] == version => {
                        prop_assert!(reserve.budget.reserved <= actions && reserve.slots <= BLOCK);
                        let before = status.window_start_time;
                        if before != reserve.budget.window_start_time {
                            let over = before.is_none_or(|b| at.wall >= later(b, seconds(100)));
                            prop_assert!(over, "a window ends before the next begins");
                        }
                        status = reserve.budget;
                        version += 1;
                        pending[who] = Some((reserve, version));
                    }
                    Answer::Reserve(_) => {}
                    Answer::Exhausted { until } => prop_assert!(until > at.wall),
                },
            }
        }
    }
}
