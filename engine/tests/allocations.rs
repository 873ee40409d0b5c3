//! A Pod that is well costs no allocation: nearly all that a busy cluster's watch brings is about
//! such Pods.

#[cfg(test)]
mod tests {
    use dislodge_engine::objects::Pod;
    use dislodge_engine::observe::observe;
    use dislodge_engine::record::{Arrival, PodHistory};
    use dislodge_engine::time::Now;
    use dislodge_engine::timing::Timing;

    fn pod(state: &str) -> Pod {
        serde_json::from_str(&format!(
            r#"{{"metadata": {{"name": "p", "namespace": "n", "uid": "5e7595d6-d828-4f9a-81e2-13e9233e05fc"}},
                "spec": {{"initContainers": [{{"name": "init", "image": "r.io/init:1"}}],
                         "containers": [{{"name": "a", "image": "r.io/a:1"}}, {{"name": "b", "image": "r.io/b:1"}}]}},
                "status": {{"phase": "Running",
                    "initContainerStatuses": [{{"name": "init", "imageID": "x", "state": {{"terminated": {{}}}}}}],
                    "containerStatuses": [{{"name": "a", "imageID": "x", "state": {state}}},
                                          {{"name": "b", "imageID": "x", "state": {{"running": {{}}}}}}]}}}}"#
        ))
        .unwrap()
    }

    /// Observes the Pod, and records what it says.
    fn allocations(pod: &Pod) -> u64 {
        let wall = "2026-01-01T00:00:00Z".parse().unwrap();
        let now = Now { elapsed: std::time::Duration::ZERO, wall };
        let arrival = Arrival { listed: false, wrote: Some(wall) };
        let mut history = PodHistory::default();
        let measured = allocation_counter::measure(|| {
            let seen = observe(pod).unwrap();
            history.record(&seen, arrival, now, &Timing::kubelet(), |_| None);
        });
        measured.count_total
    }

    #[test]
    fn a_pod_that_is_well_allocates_nothing() {
        assert_eq!(allocations(&pod(r#"{"running": {}}"#)), 0);
        assert_eq!(allocations(&pod(r#"{"waiting": {"reason": "ContainerCreating"}}"#)), 0);
    }

    #[test]
    fn the_counter_counts() {
        let failing =
            r#"{"waiting": {"reason": "ErrImagePull", "message": "r.io/a:1: not found"}}"#;
        assert_ne!(allocations(&pod(failing)), 0);
    }
}
