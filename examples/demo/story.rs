//! The story: what happens without a policy, in Audit, under Enforce, and where nothing is to happen.
//!
//! Everything that is told is read from the cluster. Where it is not as it should be, the story ends
//! with what was expected.

#![expect(clippy::wildcard_enum_match_arm, reason = "each place looks for its own happenings")]

use std::time::Duration;

use dislodge_sim::world::{Entry, What};
use serde_json::Value;

use super::Failure;
use super::describe::describe;
use super::page::{Page, clock};
use super::scene::{DOWN, GPUS, LIMITED, MANY, MISSING, SLOW, UP, cluster};
use super::shell::{Death, Shell, virtually};

const MINUTE: Duration = Duration::from_secs(60);
/// How long the queue is watched without anybody acting.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// When A's tag is pushed, when its owner resumes it, and when all is over.
const PUSHED: Duration = Duration::from_secs(20 * 60);
const RESUMED: Duration = Duration::from_secs(21 * 60);
const END: Duration = Duration::from_secs(40 * 60);

/// Tells it all.
///
/// # Errors
/// What does not come true.
pub(crate) fn tell(page: &mut Page<'_>) -> Result<(), Failure> {
    page.say("Simulated API server; `make demo-cluster` is the same on the real control plane.");
    page.say(
        "The controller is the real one. Time is virtual, as h:mm:ss from the start of a cluster.",
    );
    let wasted = virtually(without_policy(page))?;
    virtually(audited(page))?;
    let ending = virtually(enforced(page, wasted))?;
    virtually(killed(page, &ending))
}

/// What must be so for the story to go on.
fn check(holds: bool, expected: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(expected.into()) }
}

async fn without_policy(page: &mut Page<'_>) -> Result<f64, Failure> {
    page.part(&format!("1. No policy. A queue of {GPUS} GPUs, two jobs that want all of them."));
    let shell = Shell::start(cluster(), Death::Never).await?;
    shell.submit_a_and_b().await?;
    shell.wait_until(IDLE).await;
    let a = shell.job("team-a", "a").await?;
    let history = shell.history(&a);
    show(page, &[("A", &history), ("B", &shell.history(&shell.job("team-a", "b").await?))], IDLE);
    let pods = shell.pods("team-a", "a").await?;
    let reason = waiting(pods.first()).unwrap_or_default();
    check(reason == "ImagePullBackOff" || reason == "ErrImagePull", "A's pulls go on failing")?;
    check(has_quota(&shell.workload("team-a", "a").await?), "A keeps the quota")?;
    check(!has_quota(&shell.workload("team-a", "b").await?), "B waits for the quota")?;
    let failed = pulls(&history);
    check(failed > 5, "A's pulls are repeated")?;
    page.at(IDLE, &format!("A: {reason} after {failed} failed pulls. B still waits for quota"));
    let wasted = gpu_minutes(&history, IDLE);
    page.say("");
    page.say(&format!("  {wasted:.1} GPU-minutes held for nothing so far, and no end."));
    check(wasted > 200.0, "A wastes what it holds")?;
    Ok(wasted)
}

async fn audited(page: &mut Page<'_>) -> Result<(), Failure> {
    page.part("2. The same with a policy in mode Audit: nothing is touched, and all is told.");
    let shell = Shell::start(cluster(), Death::Never).await?;
    shell.apply_policies("Audit").await?;
    shell.submit_a_and_b().await?;
    shell.wait_until(IDLE).await;
    let status = shell.policy("team-a").await?["status"].clone();
    let events = shell.events("team-a", "a").await?;
    let event = events.first().ok_or("A's owner is told what would have been done")?;
    let at: jiff::Timestamp = text(&event["eventTime"]).parse()?;
    page.at(shell.age_at(at), &format!("Event on job a: {}", text(&event["note"])));
    let failing = &status["failing"][0];
    page.at(
        shell.age(),
        &format!(
            "the policy's status: job {}, {}, {} failed pulls: {} ({})",
            text(&failing["job"]),
            text(&failing["cause"]),
            failing["failedPulls"],
            text(&failing["state"]),
            text(&failing["reason"]),
        ),
    );
    check(failing["reason"] == "Audit", &format!("A is spared by Audit alone: {status}"))?;
    let audit = &status["audit"];
    let (would, later) = (&audit["wouldHaveActed"], &audit["laterStarted"]);
    page.at(
        shell.age(),
        &format!("wouldHaveActed: {would}, laterStarted: {later} (stopped wrongly)"),
    );
    check(*would == 1, "Audit would have acted on A alone")?;
    check(later.as_u64().unwrap_or(0) == 0, "A did not start by itself")?;
    check(has_quota(&shell.workload("team-a", "a").await?), "A keeps the quota in Audit")?;
    check(!has_quota(&shell.workload("team-a", "b").await?), "B waits in Audit")?;
    let others = touched(&shell);
    page.item("", &format!("writes to jobs, Workloads and Pods: {}", others.len()));
    check(others.is_empty(), &format!("Audit writes to nobody: {others:?}"))
}

async fn enforced(page: &mut Page<'_>, without: f64) -> Result<Vec<String>, Failure> {
    page.part("3. The same in mode Enforce, with the rules that a policy has by default.");
    let shell = Shell::start(cluster(), Death::Never).await?;
    shell.apply_policies("Enforce").await?;
    shell.submit_a_and_b().await?;
    shell.wait_until(MINUTE + Duration::from_secs(30)).await;
    let (a, b) = (shell.job("team-a", "a").await?, shell.job("team-a", "b").await?);
    let (of_a, of_b) = (shell.history(&a), shell.history(&b));
    show(page, &[("A", &of_a), ("B", &of_b)], shell.age());
    let happened =
        |history: &[Entry], what: fn(&What) -> bool| history.iter().any(|entry| what(&entry.what));
    check(happened(&of_a, |what| matches!(what, What::Held { .. })), "A is held")?;
    check(happened(&of_b, |what| matches!(what, What::Running(_))), "B runs")?;
    let with = gpu_minutes(&of_a, shell.age());
    page.say("");
    page.say(&format!(
        "  GPU-minutes held for nothing: {without:.1} without a policy, {with:.1} with it."
    ));
    check(with * 10.0 < without, "the policy saves most of what was wasted")?;

    restraint(page, &shell).await?;

    page.part("5. What A's owner reads: kubectl describe job a (wrapped, and what is of use here)");
    let a = shell.job("team-a", "a").await?;
    for line in describe(&a, &shell.events("team-a", "a").await?, shell.age(), &shell) {
        page.wrapped("  ", &" ".repeat(4 + line.indent), &line.text);
    }
    let hold = text(&a["metadata"]["annotations"]["dislodge.dev/hold"]);
    let sentence = text(&a["metadata"]["annotations"]["dislodge.dev/held"]);
    check(sentence.contains(&hold), "the owner reads how to resume it")?;

    page.part("6. The tag is pushed, and the owner resumes A. B comes first: it has the quota.");
    let seen = shell.age();
    let (of_a, of_b) = come_back(&shell).await?;
    page.at(PUSHED, &format!("{MISSING} is pushed"));
    page.at(RESUMED, &format!("$ kubectl annotate job a dislodge.dev/resume={hold}"));
    let later = |history: &[Entry]| -> Vec<Entry> {
        history.iter().filter(|entry| entry.at > seen).cloned().collect()
    };
    show(page, &[("A", &later(&of_a)), ("B", &later(&of_b))], END);
    ending(&shell).await
}

/// Team-b's jobs fail for a while, and nobody touches them.
async fn restraint(page: &mut Page<'_>, shell: &Shell) -> Result<(), Failure> {
    page.part("4. Restraint: meanwhile in team-b's queue, under the same policy.");
    shell.trouble_team_b().await?;
    shell.wait_until(DOWN + 4 * MINUTE).await;
    let at = shell.age();
    let pods = shell.pods("team-b", "huge").await?;
    let slow = waiting(pods.first()).unwrap_or_default();
    let status = shell.policy("team-b").await?["status"].clone();
    let outage = status["outages"][0].clone();
    let failing = status["failing"].as_array().cloned().unwrap_or_default();
    let waits = failing.iter().filter(|job| job["reason"] == "Outage").count();
    shell.end_outage().await;
    shell.wait_until(UP + 5 * MINUTE).await;

    let popular = shell.history(&shell.job("team-b", "popular").await?);
    page.item(
        "popular",
        &format!(
            "the registry answers 429 to {} pulls, then recovers: runs at {}",
            pulls(&popular),
            runs("popular", &popular)?,
        ),
    );
    check(pulls(&popular) == LIMITED, "the rate limit lasts")?;
    let huge = shell.history(&shell.job("team-b", "huge").await?);
    page.item(
        "huge",
        &format!(
            "a 503, then a pull of {} min that shows {slow} all the while: runs at {}",
            SLOW.as_secs() / 60,
            runs("huge", &huge)?,
        ),
    );
    check(slow == "ImagePullBackOff", "the slow pull shows its old failure")?;
    let (mut failed, mut last) = (0, Duration::ZERO);
    for number in 1..=MANY {
        let name = format!("sweep-{number:02}");
        let history = shell.history(&shell.job("team-b", &name).await?);
        check(pulls(&history) >= 3, &format!("{name} fails as often as a job that is stopped"))?;
        failed += pulls(&history);
        last = last.max(first_run(&name, &history)?);
    }
    page.item(
        &format!("{MANY} jobs"),
        &format!(
            "their registry answers 404 to all from {} to {}: {failed} failed pulls",
            clock(DOWN),
            clock(UP),
        ),
    );
    let since: jiff::Timestamp = text(&outage["sinceTime"]).parse()?;
    page.at(
        at,
        &format!(
            "the policy's status: {} is down since {}; {waits} jobs wait, for Outage",
            text(&outage["host"]),
            clock(shell.age_at(since)),
        ),
    );
    check(waits == MANY, "all jobs of the sweep wait for the end of the outage")?;
    page.at(last, &format!("the last of the {MANY} runs"));
    let touched: Vec<String> =
        touched(shell).into_iter().filter(|path| path.contains("/team-b/")).collect();
    page.item(
        "",
        &format!("writes to these {} jobs and all of theirs: {}", MANY + 2, touched.len()),
    );
    check(touched.is_empty(), &format!("nothing of team-b is touched: {touched:?}"))
}

/// The same with a controller that dies.
async fn killed(page: &mut Page<'_>, ending: &[String]) -> Result<(), Failure> {
    page.part("7. All of 3 to 6 once more, and the controller is killed in the midst of it.");
    let death = Death::At { path: "/workloads/", number: 0, taken: true };
    let shell = Shell::start(cluster(), death).await?;
    let once_more = async {
        shell.wait_until(RESUMED).await;
        shell.kill();
    };
    let (again, ()) = tokio::join!(play(&shell), once_more);
    let again = again?;
    let [died, later] = shell.died()[..] else {
        return Err("the controller is killed twice".into());
    };
    page.at(died, "killed: the patch of A's Workload is done, and no answer has come");
    let events = shell.events("team-a", "a").await?;
    let first = events.first().map(|event| text(&event["eventTime"])).unwrap_or_default();
    let told = shell.age_at(first.parse()?);
    page.at(told, "started again, it finds its hold, and tells A's owner of it");
    check(told > died, "the owner is told by the one that comes after")?;
    page.at(later, "killed again, as the owner resumes A");
    page.say("");
    for fact in &again {
        page.say(&format!("  {fact}"));
    }
    check(again == ending, &format!("the ending is the same as before: {ending:#?}"))?;
    page.say("  The same ending.");
    Ok(())
}

/// Plays parts 3 to 6 without a word, and says how they end.
pub(crate) async fn play(shell: &Shell) -> Result<Vec<String>, Failure> {
    shell.apply_policies("Enforce").await?;
    shell.submit_a_and_b().await?;
    shell.trouble_team_b().await?;
    shell.end_outage().await;
    come_back(shell).await?;
    ending(shell).await
}

/// A's image is pushed, its owner resumes it, and all goes on to the end.
async fn come_back(shell: &Shell) -> Result<(Vec<Entry>, Vec<Entry>), Failure> {
    shell.wait_until(PUSHED).await;
    shell.push();
    shell.wait_until(RESUMED).await;
    let a = shell.job("team-a", "a").await?;
    let hold = text(&a["metadata"]["annotations"]["dislodge.dev/hold"]);
    check(!hold.is_empty(), "A is held until its owner resumes it")?;
    shell.resume(&hold).await?;
    shell.wait_until(END).await;
    let b = shell.job("team-a", "b").await?;
    Ok((shell.history(&a), shell.history(&b)))
}

/// How all of it has ended, but for when.
async fn ending(shell: &Shell) -> Result<Vec<String>, Failure> {
    let mut facts = Vec::new();
    let a = shell.job("team-a", "a").await?;
    let b = shell.job("team-a", "b").await?;
    for (name, job) in [("A", &a), ("B", &b)] {
        check(is_complete(job), &format!("{name} is complete"))?;
    }
    let resumes = text(&a["metadata"]["annotations"]["dislodge.dev/resumes"]);
    let held = shell.history(&a);
    let held = held.iter().filter(|entry| matches!(entry.what, What::Held { .. })).count();
    check(held == 1, &format!("A is held once, and not {held} times"))?;
    check(resumes == "1", "A is resumed once by its owner")?;
    facts.push(format!("A was held {held} time, resumed {resumes} time by its owner, complete."));
    check(
        a["metadata"]["annotations"]["dislodge.dev/hold"].is_null(),
        "nothing is left of the hold",
    )?;
    facts.push("B is complete.".to_owned());
    let events = shell.events("team-a", "a").await?;
    let stops = events.iter().filter(|event| event["action"] == "SuspendJob").count();
    check(stops == 1, &format!("one Event tells of the hold, and not {stops}"))?;
    facts.push(format!("{stops} Event tells of the hold."));
    let status = shell.policy("team-a").await?["status"].clone();
    check(status["heldJobs"] == 0, "no job is held any more")?;
    let mut complete = 0;
    let names = (1..=MANY).map(|number| format!("sweep-{number:02}"));
    for name in names.chain(["popular".to_owned(), "huge".to_owned()]) {
        check(is_complete(&shell.job("team-b", &name).await?), &format!("{name} is complete"))?;
        complete += 1;
    }
    let touched = touched(shell).into_iter().filter(|path| path.contains("/team-b/")).count();
    check(touched == 0, "nothing of team-b is touched")?;
    facts.push(format!("All {complete} jobs of team-b are complete; none was touched."));
    Ok(facts)
}

/// What the controller wrote that is not its own: jobs, Workloads and Pods.
fn touched(shell: &Shell) -> Vec<String> {
    let theirs = ["/jobs/", "/workloads/", "/pods/", "/jobsets/"];
    let writes = shell.writes().into_iter().map(|write| format!("{} {}", write.method, write.path));
    writes.filter(|path| theirs.iter().any(|kind| path.contains(kind))).collect()
}

/// Prints what has happened to some jobs, in the order of time.
fn show(page: &mut Page<'_>, jobs: &[(&str, &[Entry])], end: Duration) {
    let mut lines: Vec<(Duration, String)> = Vec::new();
    for (name, history) in jobs {
        let mut failed = 0;
        for entry in *history {
            let words = match &entry.what {
                What::Submitted => format!("{name} is submitted"),
                What::Admitted => format!("{name} has the quota: {GPUS} of {GPUS} GPUs"),
                What::Released => format!("{name} has no quota any more"),
                What::PullFailed(_) => {
                    failed += 1;
                    // The first ones tell how it goes on.
                    if failed > 3 {
                        continue;
                    }
                    format!("{name}: failed pull {failed}")
                }
                What::Running(_) => format!("{name} runs"),
                What::Held { cause, .. } => format!("Dislodge tells A's owner: held, {cause}"),
                What::Resumed => format!("{name}'s hold has ended"),
                What::Complete => format!("{name} is complete"),
                What::Failed(reason) => format!("{name} has failed: {reason}"),
                What::Deleted => format!("{name} is deleted"),
                What::Evicted(reason) => format!("{name} is stopped by Kueue: {reason}"),
                What::Told(..) => continue,
            };
            lines.push((entry.at, words));
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    for (at, words) in lines.into_iter().filter(|(at, _)| *at <= end) {
        page.at(at, &words);
    }
}

/// How many pulls have failed.
fn pulls(history: &[Entry]) -> usize {
    history.iter().filter(|entry| matches!(entry.what, What::PullFailed(_))).count()
}

/// The GPUs of a job, times the minutes for which it has had quota and not run.
fn gpu_minutes(history: &[Entry], end: Duration) -> f64 {
    let (mut since, mut idle) = (None, Duration::ZERO);
    for entry in history {
        match entry.what {
            What::Admitted => since = Some(entry.at),
            What::Running(_) | What::Released => {
                idle += since.take().map_or(Duration::ZERO, |since| entry.at.saturating_sub(since));
            }
            _ => {}
        }
    }
    idle += since.map_or(Duration::ZERO, |since| end.saturating_sub(since));
    idle.as_secs_f64() / 60.0 * f64::from(GPUS)
}

/// When a job ran first.
fn first_run(name: &str, history: &[Entry]) -> Result<Duration, Failure> {
    let first = history.iter().find(|entry| matches!(entry.what, What::Running(_)));
    first.map(|entry| entry.at).ok_or_else(|| format!("{name} runs").into())
}

fn runs(name: &str, history: &[Entry]) -> Result<String, Failure> {
    first_run(name, history).map(clock)
}

/// What a Pod's container waits for.
fn waiting(pod: Option<&Value>) -> Option<String> {
    let state = &pod?["status"]["containerStatuses"][0]["state"];
    state["waiting"]["reason"].as_str().map(str::to_owned)
}

fn has_quota(workload: &Value) -> bool {
    holds(workload, "QuotaReserved")
}

fn is_complete(job: &Value) -> bool {
    holds(job, "Complete")
}

fn holds(object: &Value, kind: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == kind && c["status"] == "True")
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
