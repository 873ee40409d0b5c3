//! The ledger, by sentences.

use serde_json::{Value, json};

use super::Ledger;
use crate::keys;
use crate::objects::{ClusterQueue, Quantity, Request, Requests, Uid, Workload};

/// A queue that preempts: `cpu` in the flavors given, each with its quota and what it may borrow.
fn queue(name: &str, cohort: &str, flavors: &[(&str, &str, Option<&str>)]) -> ClusterQueue {
    let flavors: Vec<_> = flavors
        .iter()
        .map(|(flavor, nominal, borrowing)| {
            json!({"name": flavor, "resources": [
                {"name": "cpu", "nominalQuota": nominal, "borrowingLimit": borrowing}]})
        })
        .collect();
    with_groups(name, cohort, &json!([{"coveredResources": ["cpu"], "flavors": flavors}]))
}

fn with_groups(name: &str, cohort: &str, groups: &Value) -> ClusterQueue {
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": {
        "cohortName": cohort, "resourceGroups": groups,
        "preemption": {"withinClusterQueue": "LowerPriority"}}}))
    .unwrap()
}

/// A Workload that holds `cpu`.
fn uses(uid: u128, queue: &str, flavor: &str, cpu: &str) -> Workload {
    workload(
        uid,
        &json!({"active": true}),
        &json!({
        "admission": {"clusterQueue": queue, "podSetAssignments": [
            {"flavors": {"cpu": flavor}, "resourceUsage": {"cpu": cpu}}]},
        "conditions": [{"type": "QuotaReserved", "status": "True"}]}),
    )
}

fn workload(uid: u128, spec: &Value, status: &Value) -> Workload {
    let uid = Uid::from_u128(uid).to_string();
    serde_json::from_value(json!({"metadata": {"uid": uid}, "spec": spec, "status": status}))
        .unwrap()
}

/// A Workload that holds nothing; with a hold of ours where it says so.
fn idle(uid: u128, active: bool, hold: bool) -> Workload {
    let mut workload = workload(uid, &json!({"active": active}), &json!({}));
    if hold {
        workload.metadata.annotations.insert(keys::HOLD.to_owned(), "1".to_owned());
    }
    workload
}

fn asks(requests: &[(&str, &str)]) -> Requests {
    let request = |(resource, quantity): &(&str, &str)| {
        let quantity = Quantity::parse(quantity);
        Request { resource: (*resource).into(), total: quantity, least: quantity, flavor: None }
    };
    requests.iter().map(request).collect()
}

fn cpu(quantity: &str) -> Requests {
    asks(&[("cpu", quantity)])
}

fn ledger(queues: &[ClusterQueue], workloads: &[Workload]) -> Ledger {
    let mut ledger = Ledger::default();
    for queue in queues {
        assert!(ledger.put_queue(queue));
    }
    for workload in workloads {
        ledger.put_workload(workload);
    }
    ledger
}

#[test]
fn a_job_waits_where_the_queue_is_not_known() {
    let mut ledger = ledger(&[queue("a", "", &[("x", "4", None)])], &[]);
    assert!(!ledger.may_return("b", &cpu("1")));
    assert!(ledger.may_return("a", &cpu("1")));
    assert!(ledger.remove_queue("a"));
    assert!(!ledger.remove_queue("a"));
    assert!(!ledger.may_return("a", &cpu("1")));
}

#[test]
fn a_queue_that_preempts_nobody_needs_no_free_quota() {
    let mut calm = queue("a", "", &[("x", "0", None)]);
    calm.spec.preemption = None;
    let ledger = ledger(&[calm], &[]);
    assert!(ledger.may_return("a", &cpu("9")));
    assert!(ledger.may_return("a", &Requests::default()));
}

#[test]
fn a_job_returns_only_into_unused_quota_of_every_flavor_that_kueue_could_try() {
    let two: &[_] = &[("x", "4", None), ("y", "4", None)];
    let small: &[_] = &[("x", "1", None), ("y", "4", None)];
    for (flavors, used, asked, may) in [
        (two, vec![], "4", true),
        (two, vec![], "4001m", false),
        (two, vec![("x", "3")], "1", true),
        (two, vec![("x", "3")], "2", false),
        (two, vec![("y", "3")], "2", false),
        (two, vec![("x", "1"), ("x", "1"), ("x", "1500m")], "500m", true),
        (two, vec![("x", "1"), ("x", "1"), ("x", "1501m")], "500m", false),
        (two, vec![("gone", "9")], "4", true),
        // Kueue passes over what can never hold it.
        (small, vec![("x", "1")], "2", true),
        (small, vec![("x", "1")], "1", false),
        (&[("x", "what", None)], vec![], "1", false),
        (two, vec![("x", "what")], "1", false),
        (two, vec![], "what", false),
        (&[], vec![], "1", false),
    ] {
        let used: Vec<_> =
            (1..).zip(&used).map(|(uid, (flavor, cpu))| uses(uid, "a", flavor, cpu)).collect();
        let ledger = ledger(&[queue("a", "", flavors)], &used);
        assert_eq!(ledger.may_return("a", &cpu(asked)), may, "{flavors:?} {used:?} {asked}");
    }
}

#[test]
fn a_job_returns_into_the_flavor_that_it_had_although_another_one_is_full() {
    let flavors: &[_] = &[("spot", "4", None), ("on-demand", "4", None)];
    let mut stops = queue("a", "", flavors);
    stops.spec.flavor_fungibility =
        Some(serde_json::from_value(json!({"whenCanPreempt": "MayStopSearch"})).unwrap());
    let tries = queue("a", "", flavors);
    for (queue, had, full, may) in [
        (&tries, Some("spot"), "on-demand", true),
        (&tries, Some("on-demand"), "spot", true),
        (&tries, Some("spot"), "spot", false),
        (&tries, Some("gone"), "on-demand", false),
        (&tries, None, "on-demand", false),
        (&stops, Some("spot"), "on-demand", true),
        // Kueue would displace somebody for the first rather than try the second.
        (&stops, Some("on-demand"), "spot", false),
    ] {
        let ledger = ledger(std::slice::from_ref(queue), &[uses(1, "a", full, "4")]);
        let mut asked = cpu("4");
        asked.0[0].flavor = had.map(Into::into);
        assert_eq!(ledger.may_return("a", &asked), may, "{had:?}, {full} is full");
    }
}

#[test]
fn queues_share_what_is_free_where_they_are_of_one_cohort() {
    let of = |name: &str, cohort: &str| queue(name, cohort, &[("x", "4", None)]);
    let ledger = ledger(&[of("a", "c"), of("b", "c"), of("d", "e"), of("f", "")], &[]);
    let shares = |of: &str| ["a", "b", "d", "f", "none"].map(|other| ledger.share(of, other));
    assert_eq!(shares("a"), [true, true, false, false, false]);
    assert_eq!(shares("f"), [false, false, false, true, false]);
}

#[test]
fn every_group_must_cover_what_is_asked_of_it() {
    let quota = |name: &str, nominal: &str| json!({"name": name, "nominalQuota": nominal});
    let groups = json!([
        {"coveredResources": ["cpu", "memory"], "flavors": [
            {"name": "x", "resources": [quota("cpu", "4"), quota("memory", "8Gi")]}]},
        {"coveredResources": ["gpu"], "flavors": [{"name": "g", "resources": [quota("gpu", "1")]}]},
    ]);
    let with_pods = json!([{"coveredResources": ["cpu", "pods"], "flavors": [
        {"name": "x", "resources": [quota("cpu", "4"), quota("pods", "2")]}]}]);
    for (groups, asked, may) in [
        (&groups, vec![("cpu", "4"), ("memory", "8Gi"), ("gpu", "1")], true),
        (&groups, vec![("cpu", "4")], true),
        (&groups, vec![("cpu", "4"), ("memory", "9Gi")], false),
        (&groups, vec![("cpu", "4"), ("gpu", "2")], false),
        (&groups, vec![("cpu", "1"), ("tpu", "1")], false),
        (&groups, vec![("cpu", "1"), ("tpu", "0")], true),
        (&groups, vec![], false),
        (&with_pods, vec![("cpu", "1"), ("pods", "2")], true),
        (&with_pods, vec![("cpu", "1"), ("pods", "3")], false),
        // Kueue would ask for some, and how many is not known.
        (&with_pods, vec![("cpu", "1")], false),
    ] {
        let ledger = ledger(&[with_groups("a", "", groups)], &[]);
        assert_eq!(ledger.may_return("a", &asks(&asked)), may, "{asked:?}");
    }
}

#[test]
fn what_others_may_have_borrowed_is_not_free() {
    let four: &[_] = &[("x", "4", Some("0"))];
    for (cohort, others, used, may) in [
        ("c", "c", "4", true),  // its own
        ("c", "c", "5", false), // one of somebody's
        ("c", "d", "5", false), // cohorts can be parts of one
        ("", "c", "5", true),   // nobody borrows from outside a cohort
        ("c", "", "5", true),   // nor outside one: its quota was cut
    ] {
        let mut ledger = ledger(
            &[queue("a", cohort, &[("x", "4", Some("0"))]), queue("b", others, four)],
            &[uses(1, "b", "x", used)],
        );
        assert_eq!(ledger.may_return("a", &cpu("4")), may, "{cohort} {others} {used}");
        assert!(ledger.may_return("a", &cpu("3")));
        ledger.remove_workload(Uid::from_u128(1));
        assert!(ledger.may_return("a", &cpu("4")));
    }
}

#[test]
fn a_flavor_that_can_be_borrowed_is_one_that_kueue_tries() {
    for (borrowing, may) in [(None, false), (Some("3"), false), (Some("2"), true)] {
        let ledger = ledger(&[queue("a", "c", &[("x", "0", borrowing), ("y", "8", None)])], &[]);
        assert_eq!(ledger.may_return("a", &cpu("3")), may, "{borrowing:?}");
    }
}

#[test]
fn a_flavor_that_holds_only_a_part_of_the_job_is_one_that_kueue_tries() {
    let ledger =
        ledger(&[queue("a", "", &[("x", "5", None), ("y", "9", None)])], &[uses(1, "a", "x", "5")]);
    let request = |least: &str| -> Requests {
        let [total, least] = [Quantity::parse("8"), Quantity::parse(least)];
        std::iter::once(Request { resource: "cpu".into(), total, least, flavor: None }).collect()
    };
    assert!(ledger.may_return("a", &request("8")));
    assert!(!ledger.may_return("a", &request("4")));
}

#[test]
fn the_order_in_which_queues_and_workloads_come_does_not_matter() {
    let queues = [queue("a", "c", &[("x", "4", Some("0"))]), queue("b", "c", &[("x", "2", None)])];
    let used = [uses(1, "b", "x", "3"), uses(2, "a", "x", "1")];
    let first = ledger(&queues, &used);
    let mut last = ledger(&[], &used);
    assert!(!last.may_return("a", &cpu("1")));
    assert!(last.put_queue(&queues[0]));
    // Not known: it may own nothing, and be in a cohort.
    assert!(!last.may_return("a", &cpu("1")));
    assert!(last.put_queue(&queues[1]));
    assert!(!last.put_queue(&queues[1]));
    for ledger in [first, last] {
        assert!(ledger.may_return("a", &cpu("2")));
        assert!(!ledger.may_return("a", &cpu("3")));
    }
}

#[test]
fn a_workload_frees_what_it_used_and_only_once() {
    let mut ledger = ledger(&[queue("a", "c", &[("x", "4", Some("0"))])], &[]);
    for (workload, freed, free) in [
        (idle(1, true, false), false, "4"),
        (uses(1, "a", "x", "3"), false, "1"),
        (uses(1, "a", "x", "3"), false, "1"),
        (uses(1, "a", "x", "2"), true, "2"),
        (idle(1, true, false), true, "4"),
        (idle(1, true, false), false, "4"),
        (uses(1, "a", "x", "what"), false, "-"),
        (idle(1, true, false), true, "4"),
    ] {
        assert_eq!(ledger.put_workload(&workload), freed, "{workload:?}");
        for cpus in 0..=4 {
            let fits = free.parse().is_ok_and(|free: u32| cpus <= free);
            assert_eq!(ledger.may_return("a", &cpu(&cpus.to_string())), fits, "{cpus} of {free}");
        }
    }
    assert!(!ledger.remove_workload(Uid::from_u128(1)));
    assert_eq!(ledger.lent.of("x", "cpu").known(), Some(0));
}

#[test]
fn a_held_job_asks_for_what_it_took_before() {
    let uid = Uid::from_u128(1);
    let finished = workload(
        1,
        &json!({"active": false}),
        &json!({
        "conditions": [{"type": "Finished", "status": "True"}]}),
    );
    let mut shrinks = idle(1, false, true);
    shrinks.spec.may_shrink = true;
    let mut took = cpu("3");
    took.0[0].flavor = Some("x".into());
    for (then, known) in [
        (idle(1, false, true), Some(took)),
        (shrinks, Some(Requests::default())),
        (idle(1, false, false), None),
        (idle(1, true, true), None),
        (finished, None),
    ] {
        let mut ledger = ledger(&[queue("a", "", &[("x", "4", None)])], &[uses(1, "a", "x", "3")]);
        assert_eq!(ledger.requests(uid), None);
        assert!(ledger.put_workload(&then));
        assert!(!ledger.put_workload(&then));
        assert_eq!(ledger.requests(uid), known.as_ref(), "{then:?}");
        assert!(ledger.may_return("a", &cpu("4")));
    }
}

#[test]
fn what_a_job_asks_for_is_unknown_once_it_was_edited_in_its_hold() {
    let uid = Uid::from_u128(1);
    let mut ledger = ledger(
        &[queue("a", "", &[("x", "4", None)])],
        &[uses(1, "a", "x", "3"), idle(1, false, true)],
    );
    let mut edited = idle(1, false, true);
    edited.metadata.generation += 1;
    // What was noted is older than the edit.
    edited.metadata.annotations.insert(keys::HELD_QUOTA.to_owned(), "cpu=3/3@0".to_owned());
    assert!(!ledger.put_workload(&edited));
    let unknown = Requests::default();
    assert_eq!(ledger.requests(uid), Some(&unknown));
    assert!(!ledger.may_return("a", &unknown));
}

#[test]
fn a_promise_counts_until_the_workload_shows_what_became_of_it() {
    let finished =
        workload(1, &json!({}), &json!({"conditions": [{"type": "Finished", "status": "True"}]}));
    for (then, freed, free) in [
        (Some(idle(1, false, true)), false, "1"), // our write has not arrived
        (Some(idle(1, true, false)), false, "1"), // it waits for Kueue
        (Some(uses(1, "a", "x", "2")), true, "2"),
        (Some(idle(1, false, false)), true, "4"), // somebody else stopped it
        (Some(finished), true, "4"),
        (None, true, "4"),
    ] {
        let mut ledger = ledger(&[queue("a", "", &[("x", "4", None), ("y", "4", None)])], &[]);
        let uid = Uid::from_u128(1);
        ledger.promise(uid, "a", cpu("2"));
        ledger.promise(uid, "a", cpu("3"));
        assert!(!ledger.may_return("a", &cpu("2")));
        let became_free = match &then {
            Some(workload) => ledger.put_workload(workload),
            None => ledger.remove_workload(uid),
        };
        assert_eq!(became_free, freed, "{then:?}");
        assert!(ledger.may_return("a", &cpu(free)), "{then:?}");
        assert!(free == "4" || !ledger.may_return("a", &cpu("3")), "{then:?}");
    }
}

#[test]
fn a_promise_can_be_taken_back_and_the_job_asks_for_the_same_again() {
    let uid = Uid::from_u128(1);
    let mut ledger = ledger(
        &[queue("a", "", &[("x", "4", None)])],
        &[uses(1, "a", "x", "3"), idle(1, false, true)],
    );
    assert!(!ledger.withdraw(uid));
    ledger.promise(uid, "a", cpu("3"));
    assert!(!ledger.may_return("a", &cpu("2")));
    assert!(ledger.withdraw(uid));
    assert!(!ledger.withdraw(uid));
    assert!(ledger.may_return("a", &cpu("4")));
    assert_eq!(ledger.requests(uid), Some(&cpu("3")));
    // What has quota needs no promise.
    ledger.put_workload(&uses(1, "a", "x", "3"));
    ledger.promise(uid, "a", cpu("1"));
    assert!(ledger.may_return("a", &cpu("1")));
    assert!(!ledger.withdraw(uid));
}

#[test]
fn what_kueue_counts_beyond_what_is_watched_is_taken_too() {
    let mut told = queue("a", "", &[("x", "4", None)]);
    let mut ledger = ledger(&[told.clone()], &[uses(1, "a", "x", "1")]);
    assert!(ledger.may_return("a", &cpu("3")));
    for (total, free) in [("1", "3"), ("3", "1"), ("0", "3"), ("many", "0")] {
        told.status = serde_json::from_value(json!({"flavorsReservation": [
            {"name": "x", "resources": [{"name": "cpu", "total": total}]}]}))
        .unwrap();
        assert!(ledger.put_queue(&told), "{total}");
        assert!(!ledger.put_queue(&told), "{total}: nothing new");
        assert!(free == "0" || ledger.may_return("a", &cpu(free)), "{total}");
        let more = Quantity::parse(free).saturating_add(Quantity::parse("1"));
        let more: Requests =
            asks(&[("cpu", "1")]).0.iter().map(|r| Request { total: more, ..r.clone() }).collect();
        assert!(!ledger.may_return("a", &more), "{total}");
    }
}

#[test]
fn what_was_noted_at_the_hold_is_read_where_nothing_else_is_known() {
    let mut ledger = ledger(&[queue("a", "", &[("x", "4", None)])], &[]);
    let mut held = idle(1, false, true);
    held.metadata.annotations.insert(keys::HELD_QUOTA.to_owned(), "cpu=2000m/2000m@0".to_owned());
    ledger.put_workload(&held);
    assert_eq!(ledger.requests(Uid::from_u128(1)), Some(&cpu("2")));
}
