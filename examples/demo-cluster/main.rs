//! The story on the real control plane: two Jobs share a queue of one slot, the first one's image
//! cannot be pulled. Side by side, without and with an `ImagePullPolicy`.
//!
//! etcd, kube-apiserver, kube-controller-manager, kube-scheduler, Kueue and Dislodge are the real
//! programs; the kubelet is played, in real time. `KEEP=1` leaves the cluster up afterwards.

mod lane;
mod timeline;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use dislodge_testbed::agent::{Node, NodePlan};
use dislodge_testbed::product::{Controller, ControllerPlan, Product};
use dislodge_testbed::{Cluster, Options, supervise};
use tokio::sync::mpsc;
use tokio::time::Instant;

use lane::{Lane, Milestone, THRESHOLD};
use timeline::{Timeline, say};

/// What stops the demo.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long the column without a policy is watched after the other one is done.
const PATIENCE: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    supervise::run_if_asked();
    let outcome = tokio::runtime::Runtime::new()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(Box::pin(run())));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("\nFAILED: {failure}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let executable = executable()?;
    say("Starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler and Kueue ...");
    let begun = Instant::now();
    let cluster = Cluster::start(Options::default()).await?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let product = Product::install(&cluster, root, executable).await?;
    let node = Node::start(&cluster, NodePlan::new("gpu-node").millis_per_second(1000)).await?;
    let plan = ControllerPlan::scaled(1000);
    let controller = product.cluster_controller(&cluster, plan).await?;
    say(&format!(
        "Ready after {:.0} s, with deploy/base applied and the controller running under its own \
         ServiceAccount.\n",
        begun.elapsed().as_secs_f64()
    ));

    let told = Box::pin(story(&cluster, &node)).await;
    if std::env::var_os("KEEP").is_some_and(|keep| keep == "1") {
        keep(&cluster, &controller).await?;
    }
    drop(node);
    cluster.stop().await?;
    told
}

/// Plays both columns at once and checks what they must show.
async fn story(cluster: &Cluster, node: &Node) -> Result<(), Failure> {
    say(&format!(
        "Two teams, each with a queue of one slot and two Jobs. A's image does not exist.\n\
         Left: nothing else. Right: an ImagePullPolicy that suspends after {THRESHOLD} failed pulls.\n"
    ));
    let without = Lane::open(cluster, "team-without", false).await?;
    let with = Lane::open(cluster, "team-with", true).await?;
    let (milestones, mut reached) = mpsc::unbounded_channel();
    let mut timeline = Timeline::begin();
    without.submit(node, 0, &milestones).await?;
    with.submit(node, 1, &milestones).await?;

    let late = tokio::time::sleep(Duration::from_secs(180));
    tokio::pin!(late);
    while !(timeline.has(1, Milestone::NextRuns) && timeline.has(1, Milestone::OwnerTold)) {
        tokio::select! {
            Some((column, milestone, at)) = reached.recv() => timeline.show(column, milestone, at),
            () = &mut late => return Err("B does not run three minutes after A was stuck".into()),
        }
    }
    let end = tokio::time::sleep(PATIENCE);
    tokio::pin!(end);
    loop {
        tokio::select! {
            Some((column, milestone, at)) = reached.recv() => timeline.show(column, milestone, at),
            () = &mut end => break,
        }
    }
    if timeline.has(0, Milestone::NextRuns) {
        return Err("B runs without a policy: the story proves nothing".into());
    }
    timeline.close();

    let (policy, owner) = with.words(cluster).await?;
    say("\nWhat the queue's admin sees ($ kubectl get ipp):\n");
    say(&policy);
    say("What A's owner reads ($ kubectl describe job a):\n");
    say(&owner);
    timeline.verdict()?;
    Ok(())
}

/// The controller that `make demo-cluster` has built beside this program.
fn executable() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let built = own.ancestors().nth(2).map(|folder| folder.join("dislodge"));
    built
        .filter(|path| path.is_file())
        .ok_or_else(|| "the controller is not built: run `make demo-cluster`".into())
}

/// Leaves the cluster up until Enter or Ctrl-C.
async fn keep(cluster: &Cluster, controller: &Controller) -> Result<(), Failure> {
    say(&format!(
        "\nThe cluster stays up. In another terminal:\n\n  export KUBECONFIG={}\n  \
         kubectl get imagepullpolicies,localqueues,workloads,jobs,pods -A\n  \
         kubectl describe jobs -A\n\nLogs: {}\nThe controller's rights alone: \
         KUBECONFIG={}\n\nPress Enter or Ctrl-C here to end it.",
        cluster.kubeconfig().display(),
        cluster.logs().display(),
        controller.account().kubeconfig().display(),
    ));
    let mut line = String::new();
    let mut input = tokio::io::BufReader::new(tokio::io::stdin());
    tokio::select! {
        read = tokio::io::AsyncBufReadExt::read_line(&mut input, &mut line) => {
            if read? == 0 {
                tokio::signal::ctrl_c().await?; // nobody can press Enter
            }
        }
        signal = tokio::signal::ctrl_c() => signal?,
    }
    Ok(())
}
