//! Tries every part of the test cluster once: for who works on the test cluster itself.

use std::io::Write as _;
use std::time::Duration;

use dislodge_testbed::audit::{granted, used};
use dislodge_testbed::queues::is_true;
use dislodge_testbed::{
    Account, Cluster, JobPlan, Manifests, Options, Program, Quota, Restartable, Result, Tenant,
    supervise,
};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::Instant;

fn main() -> std::process::ExitCode {
    supervise::run_if_asked();
    let outcome = tokio::runtime::Runtime::new().map(|runtime| runtime.block_on(Box::pin(run())));
    match outcome {
        Ok(Ok(())) => return std::process::ExitCode::SUCCESS,
        Ok(Err(error)) => say(&format!("error: {error}")),
        Err(error) => say(&format!("error: {error}")),
    }
    std::process::ExitCode::FAILURE
}

async fn run() -> Result<()> {
    let cluster = Cluster::start(Options::default()).await?;
    say(&format!("{:?}", cluster.phases().last()));
    let outcome = Box::pin(story(&cluster)).await;
    cluster.check()?;
    cluster.stop().await?;
    outcome
}

async fn story(cluster: &Cluster) -> Result<()> {
    let started = Instant::now();
    let step = |what: &str| say(&format!("{:>6.2} s  {what}", started.elapsed().as_secs_f64()));
    let tenant = Tenant::create(cluster, "smoke").await?;
    step("namespace");
    tenant.queue("gpu", Quota::slots(1)).await?;
    step("queue");
    let first = tenant.job(&JobPlan::new("first", "registry.example/a:1").queue("gpu")).await?;
    tenant.admitted(&first).await?;
    step("first job admitted");
    let second = tenant.job(&JobPlan::new("second", "registry.example/b:1").queue("gpu")).await?;
    tenant
        .workload_when(&second, 30, "waiting", |workload| {
            !is_true(workload, "QuotaReserved")
                && workload.data.pointer("/status/conditions").is_some()
        })
        .await?;
    step("second job waits");
    let workload = tenant.admitted(&first).await?;
    let name = workload.metadata.name.unwrap_or_default();
    let inactive = Patch::Merge(json!({"spec": {"active": false}}));
    let workloads = tenant.kueue("Workload");
    workloads.patch(&name, &PatchParams::default(), &inactive).await.map_err(api("hold"))?;
    let held = Instant::now();
    tenant.admitted(&second).await?;
    say(&format!("          quota moved in {:.2} s", held.elapsed().as_secs_f64()));

    cluster_role(cluster).await?;
    let account = Account::create(cluster, tenant.namespace(), "dislodge").await?;
    tenant.apply(binding(tenant.namespace())).await?;
    step("account");
    let client = account.client().await?;
    let jobs: Api<Job> = Api::namespaced(client.clone(), tenant.namespace());
    let seen = jobs.list(&ListParams::default()).await.map_err(api("list jobs"))?;
    let pods: Api<Pod> = Api::namespaced(client, tenant.namespace());
    let refused = pods.list(&ListParams::default()).await.is_err();
    say(&format!("          {} jobs seen, pods refused: {refused}", seen.items.len()));

    let person = tenant.person(cluster, "ada", &["edit", "kueue-batch-user-role"]).await?;
    step("person");
    let note = Patch::Merge(json!({"metadata": {"annotations": {"a": "b"}}}));
    let jobs: Api<Job> = Api::namespaced(person, tenant.namespace());
    jobs.patch("first", &PatchParams::default(), &note).await.map_err(api("annotate"))?;

    let requests = cluster.audit_log().settled(&cluster.client()).await?;
    step("audit log settled");
    let by_account: Vec<_> =
        requests.iter().filter(|request| request.is_with(account.credential())).collect();
    say(&format!(
        "          account used: {:?}",
        used(by_account).iter().map(ToString::to_string).collect::<Vec<_>>()
    ));
    let by_person = requests.iter().filter(|request| {
        request.is_by(&format!("ada@{}", tenant.namespace())) && request.is_write()
    });
    for request in by_person.filter(|request| request.is_on("batch", "jobs")) {
        say(&format!(
            "          {} {} {} {:?}",
            request.verb,
            request.uri,
            request.code(),
            request.request_object
        ));
    }
    let _none = granted(&[]);

    let program = Program::new("restartable", "sh", &cluster.logs())
        .arguments([
            "-c",
            "echo alive $NAME; trap 'echo clean; exit 7' TERM; while :; do sleep 0.05; done",
        ])
        .variable("NAME", "me");
    let controller = Restartable::start(program).await?;
    say(&format!("          logged: {}", controller.logged("alive", 10).await?));
    controller.kill().await;
    say(&format!("          {:?}", controller.process().ending()));
    let controller = controller.restart().await?;
    controller.logged("alive me", 10).await?;
    controller.process().signal(dislodge_testbed::Signal::Stop).await?;
    controller.process().signal(dislodge_testbed::Signal::Continue).await?;
    say(&format!("          {}", controller.terminate(Duration::from_secs(5)).await?));
    say(&format!("          {:?}", controller.log_of_this_life()?));
    step("processes");

    let many = (0..12).map(|_| async {
        let tenant = Tenant::create(cluster, "many").await?;
        let begun = Instant::now();
        tenant.queue("gpu", Quota::slots(1)).await?;
        let queue = begun.elapsed().as_secs_f64();
        let job = tenant.job(&JobPlan::new("a", "registry.example/a:1").queue("gpu")).await?;
        tenant.admitted(&job).await?;
        say(&format!(
            "          queue {queue:.2} s, admitted {:.2} s",
            begun.elapsed().as_secs_f64()
        ));
        Result::<()>::Ok(())
    });
    futures::future::try_join_all(many).await?;
    step("twelve tenants with a queue and an admitted job");
    Ok(())
}

async fn cluster_role(cluster: &Cluster) -> Result<()> {
    Manifests::from_objects(vec![json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "smoke"},
        "rules": [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]}],
    })])
    .apply(&cluster.client())
    .await
}

fn binding(namespace: &str) -> Manifests {
    Manifests::from_objects(vec![json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "smoke", "namespace": namespace},
        "subjects": [{"kind": "ServiceAccount", "name": "dislodge", "namespace": namespace}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "smoke"},
    })])
}

fn api(doing: &str) -> impl FnOnce(kube::Error) -> dislodge_testbed::Error {
    let doing = doing.to_owned();
    move |source| dislodge_testbed::Error::Api { doing, source: Box::new(source) }
}

fn say(line: &str) {
    // Where standard output is closed nobody listens.
    let _unread = writeln!(std::io::stdout(), "{line}");
}
