//! Tries the node agent against the real API server, and prints what a watcher sees beside what was
//! measured with a real kubelet: for who works on the test cluster itself.

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dislodge_sim::registry::{Counted, Fault, OnSigterm, Pull, Run, Runtime, Script};
use dislodge_testbed::queues::is_true;
use dislodge_testbed::{
    Cluster, JobPlan, Node, NodePlan, Options, Quota, Result, Tenant, supervise,
};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

#[path = "agent/tape.rs"]
mod tape;

use tape::{Tape, named, windows};

const GOOD: &str = "registry.example/team/good:1";
const MISSING: &str = "registry.example/team/missing:1";
/// From the first failure to the opening of each window: the least, the median and the most seconds
/// of 41 Pods of a real kubelet.
const WINDOWS: [(f64, f64, f64); 6] = [
    (22.0, 26.7, 44.0),
    (47.0, 53.0, 94.0),
    (91.0, 102.0, 178.0),
    (172.0, 191.0, 349.0),
    (338.0, 359.0, 651.0),
    (644.0, 664.0, 680.0),
];
/// A second of the kubelet's takes so many milliseconds.
const MILLIS: u32 = 200;

static WRONG: AtomicU32 = AtomicU32::new(0);

fn main() -> std::process::ExitCode {
    supervise::run_if_asked();
    let outcome = tokio::runtime::Runtime::new().map(|runtime| runtime.block_on(Box::pin(run())));
    match outcome {
        Ok(Ok(())) if WRONG.load(Ordering::Relaxed) == 0 => return std::process::ExitCode::SUCCESS,
        Ok(Ok(())) => say("some of it is not as it should be"),
        Ok(Err(error)) => say(&format!("error: {error}")),
        Err(error) => say(&format!("error: {error}")),
    }
    std::process::ExitCode::FAILURE
}

async fn run() -> Result<()> {
    let cluster = Cluster::start(Options::default()).await?;
    let plan = NodePlan::new("fast").millis_per_second(MILLIS).with_events();
    let node = Node::start(&cluster, plan).await?;
    let hung = NodePlan::new("hung").millis_per_second(MILLIS).images(node.registry());
    let hung = Node::start(&cluster, hung).await?;
    let stories = async {
        good(&cluster, &node).await?;
        tokio::try_join!(
            Box::pin(schedule(&cluster, &node)),
            Box::pin(async {
                deactivated(&cluster, &node).await?;
                reverted(&cluster, &node).await?;
                hanging(&cluster, &hung).await?;
                slow(&cluster, &node).await?;
                frozen(&cluster, &node).await?;
                many(&cluster, &node).await?;
                author(&cluster, &node).await?;
                once(&cluster, &node).await
            }),
        )
        .map(drop)
    };
    let outcome = Box::pin(stories).await;
    cluster.check()?;
    for written in node.writes().iter().chain(&hung.writes()) {
        if !matches!(written.outcome, dislodge_testbed::agent::Outcome::Done) {
            say(&format!("   not done: {} {:?}", written.pod.name, written.outcome));
        }
    }
    hung.stop().await;
    node.stop().await;
    cluster.stop().await?;
    outcome
}

async fn good(cluster: &Cluster, node: &Node) -> Result<()> {
    let tenant = Tenant::create(cluster, "good").await?;
    tenant.queue("gpu", Quota::slots(2)).await?;
    let tape = Tape::start(&tenant);
    let lasting = Run::lasting(Duration::from_secs(20), 0);
    node.registry()
        .set("registry.example/ends:1", Script::succeeds(Duration::from_secs(2)).runs(lasting));
    let job =
        tenant.job(&JobPlan::new("ends", "registry.example/ends:1").queue("gpu").on(node)).await?;
    tape.until("ends", "Running").await;
    tape.until("ends", "Succeeded").await;
    let done = |workload: &_| is_true(workload, "Finished");
    tenant.workload_when(&job, 60, "Finished", done).await?;
    tape.show("a good image in a Job", "ends");
    Ok(())
}

async fn schedule(cluster: &Cluster, node: &Node) -> Result<()> {
    let tenant = Tenant::create(cluster, "missing").await?;
    let tape = Tape::start(&tenant);
    tenant.job(&JobPlan::new("stuck", MISSING).on(node)).await?;
    let seven = timeout(Duration::from_secs(160), tape.wait(|list| windows(list).count() >= 7));
    let _late = seven.await;
    tape.show("a missing tag", "stuck");
    let opened: Vec<_> = windows(&tape.list()).map(|seen| seen.at).collect();
    let Some((first, later)) = opened.split_first() else {
        verdict("the tag is missing", false);
        return Ok(());
    };
    for (number, (opened, (least, median, most))) in later.iter().zip(WINDOWS).enumerate() {
        let after = (*opened - *first).as_secs_f64() * 1000.0 / f64::from(MILLIS);
        verdict(
            &format!(
                "window {} opens after {after:.1} s (measured: {least} {median} {most})",
                number + 2
            ),
            // The measured ends are of 41 Pods; a window counts from a failure published late.
            (least * 0.9..=most).contains(&after),
        );
    }
    verdict("seven windows", opened.len() >= 7);
    let pods = tenant.api::<Pod>().list(&ListParams::default()).await.map_err(api("list pods"))?;
    let managers = pods.iter().flat_map(|pod| pod.metadata.managed_fields.iter().flatten());
    let ours = managers.filter(|entry| entry.manager.as_deref() == Some("kubelet"));
    let entries: Vec<_> =
        ours.map(|entry| (entry.subresource.clone(), entry.time.is_some())).collect();
    verdict(
        &format!("managedFields of kubelet: {entries:?}"),
        entries == [(Some("status".to_owned()), true)],
    );
    let events =
        tenant.api::<Event>().list(&ListParams::default()).await.map_err(api("list events"))?;
    for event in events.iter().filter(|event| event.involved_object.kind.as_deref() == Some("Pod"))
    {
        let text = event.message.clone().unwrap_or_default();
        say(&format!(
            "          event {} x{} {:?}: {}",
            event.reason.clone().unwrap_or_default(),
            event.count.unwrap_or_default(),
            event.involved_object.field_path,
            text.chars().take(90).collect::<String>()
        ));
    }
    Ok(())
}

async fn deactivated(cluster: &Cluster, node: &Node) -> Result<()> {
    let tenant = Tenant::create(cluster, "held").await?;
    tenant.queue("gpu", Quota::slots(1)).await?;
    let tape = Tape::start(&tenant);
    let stuck = tenant.job(&JobPlan::new("stuck", MISSING).queue("gpu").on(node)).await?;
    let workload = tenant.admitted(&stuck).await?.name_any();
    tenant.job(&JobPlan::new("waiting", GOOD).queue("gpu").on(node)).await?;
    tape.until("stuck", "ImagePullBackOff").await;
    let inactive = Patch::Merge(json!({"spec": {"active": false}}));
    let workloads = tenant.kueue("Workload");
    workloads.patch(&workload, &PatchParams::default(), &inactive).await.map_err(api("hold"))?;
    let held = Instant::now();
    tape.until("waiting", "Running").await;
    tape.until("stuck", "gone").await;
    let after = |pod, what| tape.first(pod, what).map_or(f64::NAN, |at| (at - held).as_secs_f64());
    let (gone, running) = (after("stuck", "gone"), after("waiting", "Running"));
    tape.show("active: false", "");
    verdict(
        &format!("held: its Pod gone after {gone:.2} s, the next one runs after {running:.2} s"),
        gone < 4.0 && running < 3.0,
    );
    Ok(())
}

async fn reverted(cluster: &Cluster, node: &Node) -> Result<()> {
    let tenant = Tenant::create(cluster, "foreign").await?;
    for (image, reason) in [(GOOD, "Running"), (MISSING, "ImagePullBackOff")] {
        let name = if image == GOOD { "healthy" } else { "failing" };
        // Else the Job ends its Pods after six failures.
        let patient = json!({"spec": {"backoffLimit": 1000}});
        let tape = Tape::start(&tenant);
        tenant.job(&JobPlan::new(name, image).pods(10).on(node).with(patient)).await?;
        tape.wait(|list| named(list, reason, name) >= 10).await;
        let pods: Api<Pod> = tenant.api();
        let list = pods.list(&ListParams::default()).await.map_err(api("list pods"))?;
        let written = Instant::now();
        let failed = Patch::Strategic(json!({"status": {"phase": "Failed"}}));
        let mine: Vec<_> =
            list.iter().map(ResourceExt::name_any).filter(|pod| pod.starts_with(name)).collect();
        for pod in &mine {
            pods.patch_status(pod, &PatchParams::default(), &failed).await.map_err(api("fail"))?;
            // The kubelet compares every 10 s and syncs every 10 to 15 s: what comes first decides.
            sleep(node.scaled(Duration::from_secs(1))).await;
        }
        sleep(node.scaled(Duration::from_secs(20))).await;
        let seen = tape.list();
        let times: Vec<_> = mine
            .iter()
            .filter_map(|pod| {
                let mut own = seen.iter().filter(|seen| seen.pod == *pod && seen.at > written);
                own.find(|seen| seen.state.contains("Failed"))?;
                own.find(|seen| !seen.state.contains("Failed") && seen.state != "gone")
                    .map(|seen| seen.at - written)
            })
            .map(|after| format!("{:.1}", after.as_secs_f64() * 1000.0 / f64::from(MILLIS)))
            .collect();
        let all = times.len();
        verdict(
            &format!(
                "phase Failed, written by somebody else, is reverted on {all} of {} {name} Pods after {times:?} s",
                mine.len()
            ),
            if image == GOOD { all == mine.len() } else { all > 0 },
        );
        tenant
            .api::<Job>()
            .delete(name, &DeleteParams::background())
            .await
            .map_err(api("delete"))?;
    }
    Ok(())
}

async fn hanging(cluster: &Cluster, node: &Node) -> Result<()> {
    let tenant = Tenant::create(cluster, "hanging").await?;
    tenant.queue("gpu", Quota::slots(1)).await?;
    let tape = Tape::start(&tenant);
    node.registry().set("registry.example/hangs:1", Script::hangs());
    let job = tenant
        .job(&JobPlan::new("hangs", "registry.example/hangs:1").queue("gpu").on(node))
        .await?;
    let workload = tenant.admitted(&job).await?.name_any();
    tenant.job(&JobPlan::new("waiting", GOOD).queue("gpu").on(node)).await?;
    tape.until("hangs", "ContainerCreating").await;
    sleep(Duration::from_secs(1)).await;
    let inactive = Patch::Merge(json!({"spec": {"active": false}}));
    let workloads = tenant.kueue("Workload");
    workloads.patch(&workload, &PatchParams::default(), &inactive).await.map_err(api("hold"))?;
    let held = Instant::now();
    tape.until("waiting", "Running").await;
    let running = held.elapsed().as_secs_f64();
    sleep(Duration::from_secs(4)).await;
    let still = tape.first("hangs", "deleting").is_some() && tape.first("hangs", "gone").is_none();
    verdict(
        &format!("a hanging pull keeps its deleted Pod; the next one runs after {running:.2} s"),
        still,
    );
    node.restart_kubelet();
    tape.until("hangs", "gone").await;
    tape.show("a pull that hangs, until the kubelet is restarted", "");
    Ok(())
}

async fn slow(cluster: &Cluster, node: &Node) -> Result<()> {
    let tenant = Tenant::create(cluster, "slow").await?;
    let tape = Tape::start(&tenant);
    let run = Run::lasting(Duration::from_secs(5), 0);
    node.registry()
        .set("registry.example/slow:1", Script::succeeds(Duration::from_secs(40)).runs(run));
    tenant.job(&JobPlan::new("slow", "registry.example/slow:1").on(node)).await?;
    tape.until("slow", "ContainerCreating").await;
    sleep(Duration::from_secs(1)).await;
    let pods: Api<Pod> = tenant.api();
    let list = pods.list(&ListParams::default()).await.map_err(api("list pods"))?;
    for pod in list {
        pods.delete(&pod.name_any(), &DeleteParams::default()).await.map_err(api("delete"))?;
    }
    tape.until("slow", "gone").await;
    tape.show("a slow pull that is deleted: it ends, the container starts and may succeed", "slow");
    verdict("the deleted Pod came to its end", tape.first("slow", "Succeeded").is_some());
    Ok(())
}

async fn frozen(cluster: &Cluster, node: &Node) -> Result<()> {
    let tenant = Tenant::create(cluster, "frozen").await?;
    let tape = Tape::start(&tenant);
    let image = "registry.example/blip:1";
    let text = Fault::Unavailable.message(Runtime::Containerd2, image);
    let run = Run { lasts: None, exit_code: 0, on_sigterm: OnSigterm::Ends { exit_code: 143 } };
    let script = Script::fails(Duration::from_millis(200), text)
        .then(Pull::Succeeds { after: Duration::from_secs(90) })
        .counted(Counted::EachPod)
        .runs(run);
    node.registry().set(image, script);
    tenant.job(&JobPlan::new("blip", image).on(node)).await?;
    tape.until("blip", "Running").await;
    tape.show("one failure, then a pull of 90 s", "blip");
    let (from, to) = (tape.first("blip", "ImagePullBackOff"), tape.first("blip", "Running"));
    let silence = from.zip(to).map_or(0.0, |(from, to)| (to - from).as_secs_f64());
    let between =
        tape.list().iter().filter(|seen| Some(seen.at) > from && Some(seen.at) < to).count();
    verdict(
        &format!("frozen for {silence:.1} s with {between} changes"),
        between == 0 && silence >= 18.0,
    );
    Ok(())
}

async fn many(cluster: &Cluster, node: &Node) -> Result<()> {
    let tenant = Tenant::create(cluster, "many").await?;
    let tape = Tape::start(&tenant);
    tenant.job(&JobPlan::new("good", GOOD).pods(10).on(node)).await?;
    tenant.job(&JobPlan::new("bad", MISSING).pods(10).on(node)).await?;
    tape.wait(|list| {
        named(list, "Running", "good") >= 10 && named(list, "ErrImagePull", "bad") >= 10
    })
    .await;
    let all = tape.list();
    let mut waits: Vec<_> = all
        .iter()
        .filter(|seen| seen.state.contains("Running") || seen.state.contains("ErrImagePull"))
        .filter_map(|seen| {
            let created = all.iter().find(|first| first.pod == seen.pod)?;
            Some((seen.at - created.at).as_secs_f64())
        })
        .collect();
    waits.sort_by(f64::total_cmp);
    let middle = waits.get(waits.len() / 2).copied().unwrap_or_default();
    verdict(
        &format!(
            "twenty Pods at once: first state after {:.2?} {middle:.2} {:.2?} s",
            waits.first(),
            waits.last()
        ),
        waits.last().is_some_and(|last| *last < 3.0),
    );
    Ok(())
}

async fn author(cluster: &Cluster, node: &Node) -> Result<()> {
    let tenant = Tenant::create(cluster, "author").await?;
    let tape = Tape::start(&tenant);
    let kind = "dislodge.dev/ImagePullFailed";
    let rule = json!({"action": "FailJob", "onPodConditions": [{"type": kind, "status": "True"}]});
    let policy = json!({"spec": {"podFailurePolicy": {"rules": [rule]}}});
    tenant.job(&JobPlan::new("ruled", MISSING).on(node).with(policy)).await?;
    tape.until("ruled", "ErrImagePull").await;
    let pods: Api<Pod> = tenant.api();
    let condition = json!({"type": kind, "status": "True", "reason": "NotFound"});
    let patch = Patch::Strategic(json!({"status": {"conditions": [condition]}}));
    for pod in pods.list(&ListParams::default()).await.map_err(api("list pods"))? {
        let name = pod.name_any();
        let parameters = PatchParams::default();
        pods.patch_status(&name, &parameters, &patch).await.map_err(api("set the condition"))?;
        pods.delete(&name, &DeleteParams::default()).await.map_err(api("delete"))?;
    }
    let acted = Instant::now();
    tape.until("ruled", "gone").await;
    let jobs: Api<Job> = tenant.api();
    let mut why = Vec::new();
    while acted.elapsed() < Duration::from_secs(10) && !why.contains(&"PodFailurePolicy".to_owned())
    {
        sleep(Duration::from_millis(100)).await;
        let job = jobs.get("ruled").await.map_err(api("get the Job"))?;
        let conditions = job.status.and_then(|status| status.conditions).unwrap_or_default();
        let failed = conditions.into_iter().filter(|one| one.type_ == "Failed");
        why = failed.filter_map(|one| one.reason).collect();
    }
    tape.show("condition and DELETE under a podFailurePolicy", "ruled");
    let after = acted.elapsed().as_secs_f64();
    verdict(&format!("the Job failed after {after:.2} s: {why:?}"), why == ["PodFailurePolicy"]);
    Ok(())
}

async fn once(cluster: &Cluster, node: &Node) -> Result<()> {
    let tenant = Tenant::create(cluster, "once").await?;
    let tape = Tape::start(&tenant);
    let never = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "main", "image": GOOD.replace("good", "absent"), "imagePullPolicy": "Never"},
    ]}}}});
    tenant.job(&JobPlan::new("unreadable", "registry.example/Team/APP:1").on(node)).await?;
    tenant.job(&JobPlan::new("never", GOOD).on(node).with(never)).await?;
    tape.until("unreadable", "InvalidImageName").await;
    tape.until("never", "ErrImageNeverPull").await;
    let before = tape.list().len();
    sleep(node.scaled(Duration::from_secs(60))).await;
    tape.show("what cannot be pulled at all", "");
    verdict("a permanent local error is written once", tape.list().len() == before);
    Ok(())
}

fn verdict(what: &str, right: bool) {
    if !right {
        WRONG.fetch_add(1, Ordering::Relaxed);
    }
    say(&format!("{} {what}", if right { "   ok" } else { "WRONG" }));
}

fn api(doing: &str) -> impl FnOnce(kube::Error) -> dislodge_testbed::Error {
    let doing = doing.to_owned();
    move |source| dislodge_testbed::Error::Api { doing, source: Box::new(source) }
}

fn say(line: &str) {
    // Where standard output is closed nobody listens.
    let _unread = writeln!(std::io::stdout(), "{line}");
}
