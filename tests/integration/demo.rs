//! The story of `make demo`: it comes true, whenever the controller dies in it.

#![expect(clippy::indexing_slicing, reason = "JSON reads as null where nothing is")]

#[path = "../../examples/demo/describe.rs"]
mod describe;
#[path = "../../examples/demo/page.rs"]
mod page;
#[path = "../../examples/demo/scene.rs"]
mod scene;
#[path = "../../examples/demo/shell.rs"]
mod shell;
#[path = "../../examples/demo/story.rs"]
mod story;

use std::time::Duration;

use crate::Outcome;
use page::{Page, WIDTH};
use shell::{Death, Shell, virtually};

/// What stops the story.
type Failure = Box<dyn std::error::Error + Send + Sync>;

type Test = (&'static str, fn() -> Outcome);

/// The tests of this file.
pub(crate) const ALL: &[Test] = &[
    ("the_story_comes_true_in_80_columns", comes_true),
    ("it_ends_the_same_whichever_write_the_controller_dies_at", dies_at_each_write),
    ("it_ends_the_same_whenever_the_controller_is_killed", dies_at_any_time),
];

fn comes_true() -> Outcome {
    let mut lines = Vec::new();
    let mut say = |line: &str| lines.push(line.to_owned());
    story::tell(&mut Page::new(&mut say)).map_err(|failure| failure.to_string())?;
    let first = lines.first().map(String::as_str).unwrap_or_default();
    if !(first.contains("Simulated") && first.contains("make demo-cluster")) {
        return Err(format!("the first line does not say what this is: {first}").into());
    }
    match lines.iter().find(|line| line.chars().count() > WIDTH) {
        Some(line) => Err(format!("more than {WIDTH} columns: {line}").into()),
        None => Ok(()),
    }
}

/// How the story ends where the controller dies like this, and whether it did.
fn ending(death: Death, killed_at: Option<Duration>) -> Result<(Vec<String>, bool), Failure> {
    virtually(async move {
        let shell = Shell::start(scene::cluster(), death).await?;
        let kill = async {
            if let Some(at) = killed_at {
                shell.wait_until(at).await;
                shell.kill();
            }
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = story::play(&shell) => ended?,
            () = kill => Vec::new(),
        };
        Ok((ended, !shell.died().is_empty()))
    })
}

fn compare(death: Death, killed_at: Option<Duration>, expected: &[String]) -> Result<bool, String> {
    let when = killed_at.map_or_else(|| format!("{death:?}"), |at| format!("killed at {at:?}"));
    let (ended, died) = ending(death, killed_at).map_err(|failure| format!("{when}: {failure}"))?;
    if ended == expected { Ok(died) } else { Err(format!("{when}: {ended:#?}")) }
}

fn dies_at_each_write() -> Outcome {
    let (expected, _) = ending(Death::Never, None).map_err(|failure| failure.to_string())?;
    for path in ["/workloads/", "/events", "/jobs/"] {
        for taken in [true, false] {
            let mut number = 0;
            // Until the story is over before the controller has written so often.
            while compare(Death::At { path, number, taken }, None, &expected)? {
                number += 1;
            }
            if number == 0 {
                return Err(format!("the controller has never written to {path}").into());
            }
        }
    }
    Ok(())
}

fn dies_at_any_time() -> Outcome {
    let (expected, _) = ending(Death::Never, None).map_err(|failure| failure.to_string())?;
    // Around the hold, and around its end.
    for at in [62, 63, 64, 1260, 1261].map(Duration::from_secs) {
        if !compare(Death::Never, Some(at), &expected)? {
            return Err(format!("nothing was killed at {at:?}").into());
        }
    }
    Ok(())
}
