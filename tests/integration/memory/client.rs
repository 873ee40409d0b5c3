//! kube over the API server in memory, without a socket and in virtual time.

use std::time::Duration;

use dislodge_testbed::Memory;
use futures::{Stream, StreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use libtest_mimic::Failed;
use serde_json::json;

use super::{Test, memory, script, virtually};
use crate::Outcome;

/// The tests of this file.
pub(super) const ALL: &[Test] = &[
    ("objects_are_written_read_and_deleted_through_a_client", written),
    ("a_watcher_sees_what_is_there_and_what_becomes_of_it", watched),
    ("a_watcher_that_is_too_old_lists_anew", relisted),
    ("a_watch_that_ends_by_time_is_gone_on_with", resumed),
    ("the_script_for_any_api_server_plays_the_same_each_time", scripted),
];

fn check(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(what.to_owned().into()) }
}

fn pod(name: &str) -> Result<Pod, Failed> {
    let containers = json!([{"name": "c", "image": "i"}]);
    Ok(serde_json::from_value(
        json!({"metadata": {"name": name}, "spec": {"containers": containers}}),
    )?)
}

fn stage() -> (Memory, Api<Pod>) {
    let memory = memory(Timestamp::UNIX_EPOCH);
    let pods = Api::namespaced(memory.client(), "default");
    (memory, pods)
}

fn code<T>(answer: &Result<T, kube::Error>) -> u16 {
    match answer {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(_) => 0,
    }
}

/// What the script is for is [`crate::cluster`]'s: there the answers are held against the real ones.
fn scripted() -> Outcome {
    let play = || {
        let mut answers = Vec::new();
        virtually(async {
            for subject in script::SUBJECTS {
                let memory = script::memory("a").await?;
                let mut player = script::Player::new(memory.client(), "a");
                for step in script::steps(subject) {
                    let answer = player.play(&step).await?;
                    let code = answer["code"].as_u64().unwrap_or_default();
                    check(code < 500, &format!("{}: {answer}", step.title))?;
                    answers.push(answer);
                }
            }
            Ok(())
        })?;
        Ok::<_, Failed>(answers)
    };
    let answers = play()?;
    check(answers.len() > 500, &format!("{} steps", answers.len()))?;
    check(answers == play()?, "the answers differ")
}

fn written() -> Outcome {
    virtually(async {
        let (_memory, pods) = stage();
        let create = PostParams::default();
        let first = pods.create(&create, &pod("one")?).await?;
        pods.create(&create, &pod("two")?).await?;
        check(code(&pods.create(&create, &pod("two")?).await) == 409, "a name is taken once")?;
        check(code(&pods.get("none").await) == 404, "what is not there is not found")?;

        let page = pods.list(&ListParams::default().limit(1)).await?;
        let token = page.metadata.continue_.clone().unwrap_or_default();
        let rest = pods.list(&ListParams::default().limit(1).continue_token(&token)).await?;
        let names: Vec<String> =
            page.iter().chain(&rest).map(kube::ResourceExt::name_any).collect();
        check(names == ["one", "two"], "two pages are the whole list")?;

        let patch = json!({"metadata": {"labels": {"a": "b"}, "resourceVersion": "1"}});
        let patched = pods.patch("one", &PatchParams::default(), &Patch::Merge(&patch)).await;
        check(code(&patched) == 409, "an old version is a conflict")?;
        let patch = json!({"metadata": {"labels": {"a": "b"}}});
        pods.patch("one", &PatchParams::default(), &Patch::Strategic(&patch)).await?;
        let selected = pods.list(&ListParams::default().labels("a=b")).await?;
        check(selected.items.len() == 1, "the label is found")?;

        let pinned = |uid: Option<String>| {
            DeleteParams::default().preconditions(Preconditions { uid, resource_version: None })
        };
        let refused = pods.delete("one", &pinned(Some("x".to_owned()))).await;
        check(code(&refused) == 409, "another uid is a conflict")?;
        pods.delete("one", &pinned(first.uid())).await?;
        check(pods.get_opt("one").await?.is_none(), "it is gone")
    })
}

/// The next event: its kind, and the name of its object.
async fn next(
    events: &mut (impl Stream<Item = watcher::Result<Event<Pod>>> + Unpin),
) -> Result<String, Failed> {
    let event = tokio::time::timeout(Duration::from_secs(1200), events.next()).await?;
    Ok(match event.ok_or("the watcher ended")? {
        Ok(Event::Init) => "init".to_owned(),
        Ok(Event::InitApply(pod)) => format!("listed {}", pod.name_any()),
        Ok(Event::InitDone) => "done".to_owned(),
        Ok(Event::Apply(pod)) => format!("seen {}", pod.name_any()),
        Ok(Event::Delete(pod)) => format!("gone {}", pod.name_any()),
        Err(error) => format!("error {error}"),
    })
}

fn watched() -> Outcome {
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        virtually(async {
            let (_memory, pods) = stage();
            pods.create(&PostParams::default(), &pod("one")?).await?;
            let mut events = watcher(pods.clone(), config).boxed();
            for expected in ["init", "listed one", "done"] {
                let event = next(&mut events).await?;
                check(event == expected, &format!("{expected}: {event}"))?;
            }
            pods.create(&PostParams::default(), &pod("two")?).await?;
            let event = next(&mut events).await?;
            check(event == "seen two", &event)?;
            pods.delete("one", &DeleteParams::default()).await?;
            let event = next(&mut events).await?;
            check(event == "gone one", &event)
        })?;
    }
    Ok(())
}

fn relisted() -> Outcome {
    virtually(async {
        let (memory, pods) = stage();
        let mut events = watcher(pods.clone(), watcher::Config::default()).boxed();
        check(next(&mut events).await? == "init", "it lists")?;
        check(next(&mut events).await? == "done", "nothing")?;
        // The watch is opened with the next poll, and has read nothing yet when all is forgotten.
        let name = "one";
        let list = pods.list(&ListParams::default()).await?;
        pods.create(&PostParams::default(), &pod(name)?).await?;
        memory.with(|server, _| server.forget());
        let event = next(&mut events).await?;
        check(event.contains("too old resource version"), &event)?;
        for expected in ["init", "listed one", "done"] {
            let event = next(&mut events).await?;
            check(event == expected, &format!("{expected}: {event}"))?;
        }
        check(list.items.is_empty(), "it was not there before")
    })
}

fn resumed() -> Outcome {
    virtually(async {
        let (memory, pods) = stage();
        let mut events = watcher(pods.clone(), watcher::Config::default()).boxed();
        check(next(&mut events).await? == "init", "it lists")?;
        check(next(&mut events).await? == "done", "nothing")?;
        let began = memory.now();
        let later = async {
            // Longer than two watches.
            tokio::time::sleep(Duration::from_secs(700)).await;
            pods.create(&PostParams::default(), &pod("one")?).await?;
            Ok::<_, Failed>(())
        };
        let (event, created) = tokio::join!(next(&mut events), later);
        created?;
        check(event? == "seen one", "nothing is listed anew, and nothing missed")?;
        let passed = memory.now().duration_since(began).as_secs();
        check((700..705).contains(&passed), &format!("{passed} s have passed"))?;
        drop(events);
        tokio::task::yield_now().await;
        let open = memory.with(|server, _| server.open_watches());
        check(open == 0, &format!("{open} watches are open"))
    })
}
