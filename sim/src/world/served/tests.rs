use std::time::Duration;

use dislodge_engine::keys;
use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::api::Body;
use crate::random::Recipe;
use crate::registry::{Fault, Registry, Runtime, Script};
use crate::world::{JobPlan, Plan, Quota};

const IMAGE: &str = "registry.test/team/train:typo";

fn served(world: World) -> Served {
    let server = Server::new(4096, 1, world.wall());
    Served::new(world, server)
}

/// What a client reads of each object is what the actors know of it.
fn check(served: &Served) {
    for kind in Kind::ALL {
        let Some(plural) = plural(kind) else { continue };
        let mut shown = served.server.all(plural).count();
        for (_, object) in served.world.of_kind(kind) {
            let value = served.server.stored(plural, &object.meta().key());
            let value =
                value.unwrap_or_else(|| panic!("{kind:?} {} is not shown", object.meta().name));
            let mut known = Object::clone(object);
            known.meta_mut().resource_version =
                value["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
            // What nobody reads is shown, and not read.
            let labels = &mut known.meta_mut().labels;
            *labels = labels.clone().pairs().filter(|(key, _)| keys::is_read(key)).collect();
            macro_rules! same {
                ($seen:expr, $kind:ty) => {
                    assert_eq!(serde_json::from_value::<$kind>(value.clone()).unwrap(), $seen)
                };
            }
            match known {
                Object::Pod(pod) => same!(pod.seen, dislodge_engine::objects::Pod),
                Object::Job(mut job) => {
                    // Filled in by the API server.
                    job.seen.spec.template.spec.scheduler_name = "default-scheduler".into();
                    same!(job.seen, dislodge_engine::objects::Job);
                }
                Object::Workload(w) => same!(w.seen, dislodge_engine::objects::Workload),
                Object::LocalQueue(queue) => same!(queue, dislodge_engine::objects::LocalQueue),
                Object::ClusterQueue(queue) => same!(queue, dislodge_engine::objects::ClusterQueue),
                Object::Policy(policy) => same!(*policy, dislodge_engine::objects::Policy),
                Object::Node(node) => same!(node, dislodge_engine::objects::Node),
            }
            shown -= 1;
        }
        assert_eq!(shown, 0, "{plural} that are gone are still shown");
    }
}

#[test]
fn clients_read_at_each_moment_what_the_actors_know() {
    for seed in 0..8 {
        let world = Recipe::random(seed).cluster();
        let mut served = served(world);
        let (mut steps, end) = (0, served.world.at(Duration::from_secs(2_700)));
        while let Some(at) = served.next().filter(|at| *at <= end) {
            served.run_until(at);
            steps += 1;
            // Each object is compared often enough, and not at each step.
            if steps % 29 == 0 {
                check(&served);
            }
        }
        check(&served);
        assert!(steps > 100, "seed {seed}: {steps} steps");
    }
}

/// A queue of one CPU, a job that cannot be pulled, and one that waits behind it.
fn stuck() -> Served {
    let missing = Script::fails(
        Duration::from_millis(300),
        Fault::NotFound.message(Runtime::Containerd2, IMAGE),
    );
    let registry = Registry::new(Script::succeeds(Duration::from_secs(2))).with(IMAGE, missing);
    let mut world = World::new(Plan { registry, ..Plan::default() });
    world.add_cluster_queue("all", &Quota { cpus: 1, ..Quota::default() });
    world.add_queue("team", "gpu", "all");
    let queue = Some("gpu".to_owned());
    world.submit(JobPlan { queue: queue.clone(), ..JobPlan::new("team", "a", IMAGE) });
    world.submit(JobPlan { queue, ..JobPlan::new("team", "b", "registry.test/team/app:1") });
    let mut served = served(world);
    after(&mut served, 60);
    served
}

fn after(served: &mut Served, seconds: u64) -> Timestamp {
    let now = served.world.wall().checked_add(Duration::from_secs(seconds)).unwrap();
    served.run_until(now);
    check(served);
    now
}

fn send(served: &mut Served, method: Method, kind: &str, path: &str, body: &Value) -> Value {
    let mut request = Request::json(method, path, body);
    kind.clone_into(&mut request.content_type);
    let now = served.world.wall();
    let Answer::Done { code, body: Body::Object(object) } = served.handle(&request, now) else {
        panic!("no object: {path}");
    };
    assert!(code < 300, "{object}");
    check(served);
    object
}

const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

fn items(served: &mut Served, path: &str) -> Vec<Value> {
    let list = send(served, Method::Get, "", path, &Value::Null);
    list["items"].as_array().unwrap().clone()
}

#[test]
fn kueue_acts_on_what_a_client_writes() {
    let mut served = stuck();
    let workloads = "/apis/kueue.x-k8s.io/v1beta2/namespaces/team/workloads";
    let reserved = |workload: &Value| {
        let conditions = workload["status"]["conditions"].as_array().unwrap();
        conditions.iter().any(|c| c["type"] == "QuotaReserved" && c["status"] == "True")
    };
    let [a, b] = &items(&mut served, workloads)[..] else { panic!("two Workloads") };
    assert!(reserved(a) && !b["status"]["conditions"].is_array(), "{a} {b}");
    let a = format!("{workloads}/{}", a["metadata"]["name"].as_str().unwrap());
    let stop = json!({"metadata": {"annotations": {"example.com/note": "stays"}},
                      "spec": {"active": false}});
    let stopped = send(&mut served, Method::Patch, MERGE, &a, &stop);
    assert_eq!(stopped["metadata"]["generation"], 2);
    after(&mut served, 5);
    let [a, b] = &items(&mut served, workloads)[..] else { panic!("two Workloads") };
    assert!(!reserved(a) && reserved(b), "{a} {b}");
    assert_eq!(a["metadata"]["annotations"]["example.com/note"], "stays");
    let pods = items(&mut served, "/api/v1/namespaces/team/pods");
    let [pod] = &pods[..] else { panic!("the Pod of the other job alone: {pods:?}") };
    assert_eq!(pod["status"]["phase"], "Running");
}

#[test]
fn a_pod_that_a_client_deletes_is_ended_and_replaced() {
    let mut served = stuck();
    let path = "/api/v1/namespaces/team/pods";
    let pod = items(&mut served, path).remove(0);
    assert!(pod["status"]["containerStatuses"][0]["state"]["waiting"].is_object(), "{pod}");
    let name = pod["metadata"]["name"].as_str().unwrap();
    let condition = json!({"status": {"conditions": [
        {"type": "dislodge.dev/ImagePullFailed", "status": "True", "reason": "NotFound"}]}});
    let one = format!("{path}/{name}");
    let marked = send(&mut served, Method::Patch, STRATEGIC, &format!("{one}/status"), &condition);
    let conditions = marked["status"]["conditions"].as_array().unwrap();
    assert!(conditions.len() > 1, "the kubelet's conditions stay: {marked}");
    let managers = marked["metadata"]["managedFields"].as_array().unwrap();
    assert!(managers.iter().any(|m| m["manager"] == "kubelet"), "{marked}");
    send(&mut served, Method::Delete, "", &one, &json!({}));
    after(&mut served, 30);
    let left = items(&mut served, path);
    let [other] = &left[..] else { panic!("one Pod: {left:?}") };
    assert_ne!(other["metadata"]["uid"], pod["metadata"]["uid"]);
}

#[test]
fn a_job_that_a_client_creates_runs_and_one_that_it_deletes_is_gone() {
    let mut served = stuck();
    let jobs = "/apis/batch/v1/namespaces/team/jobs";
    // As kubectl asks for it.
    let background = json!({"propagationPolicy": "Background"});
    send(&mut served, Method::Delete, "", &format!("{jobs}/a"), &background);
    send(&mut served, Method::Delete, "", &format!("{jobs}/b"), &background);
    let job = json!({
        "metadata": {"name": "c", "labels": {"kueue.x-k8s.io/queue-name": "gpu", "kept": "yes"}},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [
            {"name": "main", "image": "registry.test/team/app:2",
             "resources": {"requests": {"cpu": "1"}}}]}}},
    });
    let made = send(&mut served, Method::Post, "", jobs, &job);
    after(&mut served, 60);
    let [job] = &items(&mut served, jobs)[..] else { panic!("one Job") };
    assert_eq!(job["metadata"]["uid"], made["metadata"]["uid"]);
    assert_eq!(job["metadata"]["labels"]["kept"], "yes");
    assert_eq!(job["status"]["active"], 1);
    let pods = items(&mut served, "/api/v1/namespaces/team/pods");
    let running = pods.iter().filter(|pod| pod["status"]["phase"] == "Running").count();
    assert_eq!((running, pods.len()), (1, 1), "{pods:?}");
}

#[test]
fn what_a_client_notes_on_a_job_the_actors_know() {
    let mut served = stuck();
    let jobs = "/apis/batch/v1/namespaces/team/jobs";
    let job = json!({
        "metadata": {"name": "c", "labels": {"kueue.x-k8s.io/queue-name": "gpu"}},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [
            {"name": "main", "image": IMAGE, "resources": {"requests": {"cpu": "1"}}}]}}},
    });
    send(&mut served, Method::Post, "", jobs, &job);
    after(&mut served, 60);
    let note = json!({"metadata": {"annotations": {"dislodge.dev/held": "why"}}});
    for name in ["a", "b", "c"] {
        let noted = send(&mut served, Method::Patch, MERGE, &format!("{jobs}/{name}"), &note);
        assert_eq!(noted["metadata"]["annotations"]["dislodge.dev/held"], "why");
        let history = served.world.history().entries();
        let held = history.iter().any(|entry| {
            matches!(entry.what, crate::world::What::Held { .. })
                && entry.job == crate::world::served::take::uid(&noted)
        });
        assert!(held, "{name}: {history:#?}");
    }
}
