//! Jobs with images of all sorts, and what people do to them.

use std::time::Duration;

use dislodge_engine::keys;

use super::{BUSY, Item, Recipe};
use crate::chance::Chance;
use crate::kubelet::PullPolicy;
use crate::registry::{Counted, Fault, Pull, Run, Runtime, Script};
use crate::world::{Author, Deed, JobPlan};

/// How the pulls of an image can go.
#[derive(Clone, Copy, Debug, Default)]
enum Sort {
    /// They succeed soon.
    #[default]
    Good,
    /// They take minutes.
    Slow,
    /// The image does not exist.
    Missing,
    /// Its secret has expired.
    Locked,
    /// A few fail, then one succeeds.
    Flaky,
    /// One fails, and the next takes minutes.
    BlipThenSlow,
    /// The registry asks for patience for a while.
    Limited,
    /// They hang.
    Hangs,
    /// The name cannot be read.
    Unreadable,
    /// It lies in a registry that is down for a while.
    Down,
}

impl Recipe {
    pub(super) fn add_jobs(&mut self, chance: &mut Chance) {
        use Sort::{
            BlipThenSlow, Down, Flaky, Good, Hangs, Limited, Locked, Missing, Slow, Unreadable,
        };
        let back = chance.seconds(300..BUSY);
        let sweep = chance.one_in(4);
        for number in 0..chance.within(8..14) {
            let mut sort = chance.pick(&[
                Good,
                Good,
                Slow,
                Missing,
                Missing,
                Locked,
                Flaky,
                BlipThenSlow,
                Limited,
                Hangs,
                Unreadable,
                Down,
                Down,
                Down,
            ]);
            if sweep && chance.one_in(2) {
                sort = Missing;
            }
            let name = format!("job-{number}");
            let image = image(sort, number, sweep);
            self.items.push(Item::Image(image.clone(), script(sort, &image, chance)));
            if matches!(sort, Down) {
                let well = Script::succeeds(chance.seconds(1..20)).runs(run(chance));
                self.items.push(Item::Deed(back, Deed::Play(image.clone(), well)));
            } else if matches!(sort, Missing | Locked) && chance.one_in(4) {
                let pushed = Script::succeeds(chance.seconds(1..60)).runs(run(chance));
                self.items
                    .push(Item::Deed(chance.seconds(60..BUSY), Deed::Play(image.clone(), pushed)));
            }
            let plan = plan(&name, &image, chance);
            let job = (plan.namespace.clone(), plan.name.clone());
            let at = chance.seconds(2..600);
            self.items.push(Item::Job(at, plan.clone()));
            self.add_deeds(&job, chance);
            if chance.one_in(12) {
                // Another one of the same name.
                let gone = at + chance.seconds(30..400);
                self.items.push(Item::Deed(gone, Deed::Delete(job)));
                self.items.push(Item::Job(gone + chance.millis(10..3000), plan));
            } else if chance.one_in(6) {
                // Its owner wants it to run, whatever comes.
                let times = (1..5).map(|time| at + Duration::from_secs(time * 120));
                let resumes = times.filter(|at| *at < Duration::from_secs(BUSY));
                self.items.extend(resumes.map(|at| Item::Deed(at, Deed::Resume(job.clone()))));
            }
        }
        if chance.one_in(5) {
            self.items.push(Item::Deed(chance.seconds(60..BUSY), Deed::RestartKubelet(0)));
        }
    }

    fn add_deeds(&mut self, job: &(String, String), chance: &mut Chance) {
        if !chance.one_in(3) {
            return;
        }
        let job = job.clone();
        let at = chance.seconds(30..BUSY);
        let ignore = keys::IGNORE.to_owned();
        let deed = match chance.within(0..8) {
            0 => Deed::Delete(job),
            5 => Deed::DeletePods(job),
            1 => Deed::SetActive(job, false),
            2 => Deed::SetActive(job, true),
            3 => Deed::SetSuspend(job, true),
            4 => Deed::Annotate(job, ignore, Some("mine".to_owned())),
            _ => Deed::Resume(job),
        };
        self.items.push(Item::Deed(at, deed));
    }
}

fn image(sort: Sort, number: u64, sweep: bool) -> String {
    match sort {
        Sort::Down => format!("down.example/team/app{number}:1"),
        Sort::Unreadable => format!("r.example/Team/App:{number}"),
        Sort::Missing if sweep => "r.example/team/sweep:missing".to_owned(),
        Sort::Good
        | Sort::Slow
        | Sort::Missing
        | Sort::Locked
        | Sort::Flaky
        | Sort::BlipThenSlow
        | Sort::Limited
        | Sort::Hangs => format!("r.example/team/app{number}:1"),
    }
}

fn plan(name: &str, image: &str, chance: &mut Chance) -> JobPlan {
    // Nobody governs the last.
    let namespace = chance.pick(&["a", "a", "a", "a", "b", "b", "b", "c"]);
    let mut plan = JobPlan::new(namespace, name, image);
    plan.queue = match (namespace, chance.within(0..5)) {
        (_, 0) | ("c", _) => None,
        ("a", 1 | 2) => Some("cpu".to_owned()),
        _ => Some("gpu".to_owned()),
    };
    plan.pods = chance.pick(&[1, 1, 1, 2, 3]);
    plan.priority = chance.pick(&[0, 0, 0, 10]);
    plan.author = match chance.within(0..10) {
        0 => Some(Author::Fail),
        1 => Some(Author::Ignore),
        _ => None,
    };
    if chance.one_in(3) {
        let mut template = (*plan.template).clone();
        for container in &mut template.containers {
            container.pull_policy = PullPolicy::Always;
        }
        plan.template = template.into();
    }
    plan
}

fn run(chance: &mut Chance) -> Run {
    if chance.one_in(3) { Run::for_ever() } else { Run::lasting(chance.seconds(20..900), 0) }
}

fn script(sort: Sort, image: &str, chance: &mut Chance) -> Script {
    let runtime = if chance.one_in(2) { Runtime::Containerd2 } else { Runtime::Containerd16 };
    let after = chance.millis(50..900);
    let fails = |fault: Fault| Script::fails(after, fault.message(runtime, image));
    let times = usize::try_from(chance.within(1..8)).unwrap_or(1);
    let minutes = Pull::Succeeds { after: chance.seconds(60..700) };
    let soon = Pull::Succeeds { after: chance.millis(100..20_000) };
    let script = match sort {
        Sort::Good => Script::always(soon),
        Sort::Slow => Script::always(minutes),
        Sort::Missing | Sort::Unreadable => fails(Fault::NotFound),
        Sort::Locked => {
            Script::fails(after, Fault::Unauthorized.message(Runtime::Containerd16, image))
        }
        Sort::Flaky => fails(Fault::Unavailable).times(times).then(soon),
        Sort::BlipThenSlow => {
            fails(Fault::Unavailable).times(times.min(3)).then(minutes).counted(Counted::EachPod)
        }
        Sort::Limited => fails(Fault::RateLimited).times(times).then(soon),
        Sort::Hangs => Script::hangs(),
        Sort::Down => fails(Fault::ConnectionRefused),
    };
    script.runs(run(chance))
}
