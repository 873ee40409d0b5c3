//! The 48 faults by name: what the model does for each, or where else it is played.

use std::time::Duration;

use dislodge_engine::effect::Outcome;
use dislodge_engine::input::Kind;

use super::faults::{Span, kind, span};
use super::{BUSY, Item, Recipe};
use crate::chance::Chance;
use crate::registry::{Fault as Answer, Runtime, Script};
use crate::store::What;
use crate::world::{Deed, Site, Trouble};

/// A fault.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Its number, as in `F1`.
    pub number: u8,
    /// What goes wrong.
    pub name: &'static str,
    /// Where it is played.
    pub tier: Tier,
}

/// Where a fault is played.
#[derive(Clone, Copy, Debug)]
pub enum Tier {
    /// In histories of the engine: this adds it to one.
    Engine(fn(&mut Recipe, &mut Chance)),
    /// Not there, and why.
    Elsewhere(&'static str),
}

impl Fault {
    /// Adds it to a history. Says whether it can be.
    pub fn add(&self, recipe: &mut Recipe, chance: &mut Chance) -> bool {
        match self.tier {
            Tier::Engine(add) => {
                add(recipe, chance);
                true
            }
            Tier::Elsewhere(_) => false,
        }
    }
}

const fn fault(number: u8, name: &'static str, add: fn(&mut Recipe, &mut Chance)) -> Fault {
    Fault { number, name, tier: Tier::Engine(add) }
}

const fn elsewhere(number: u8, name: &'static str, why: &'static str) -> Fault {
    Fault { number, name, tier: Tier::Elsewhere(why) }
}

/// The faults F1 to F48.
pub const FAULTS: [Fault; 48] = [
    fault(1, "crash before any write", |r, c| r.dies(c, Trouble::Dies { taken: false })),
    fault(2, "crash between a Pod's condition and its deletion", |r, c| {
        r.dies(c, Trouble::DiesAt(Site::Mark, true));
        r.with_authors(c);
    }),
    fault(3, "crash between the hold and the word to its owner", |r, c| {
        let site = if c.one_in(2) { Site::Hold } else { Site::Tell };
        let taken = c.one_in(2);
        r.dies(c, Trouble::DiesAt(site, taken));
    }),
    fault(4, "crash between an action and its Event", |r, c| {
        let taken = c.one_in(2);
        r.dies(c, Trouble::DiesAt(Site::Event, taken));
    }),
    fault(5, "crash between an action and the policy's status", |r, c| {
        let site = if c.one_in(3) { Site::Reserve } else { Site::Status };
        let taken = c.one_in(2);
        r.dies(c, Trouble::DiesAt(site, taken));
    }),
    fault(6, "crash after a write was sent, before its answer", |r, c| {
        r.dies(c, Trouble::Dies { taken: true });
    }),
    fault(7, "crash loop: at each n-th write", |r, c| {
        let times = c.small(1..7);
        r.trouble(span(c, 30..400), Trouble::DiesAgain(times));
    }),
    elsewhere(
        8,
        "SIGTERM while draining",
        "the drain is the shell's: tests/integration/process.rs",
    ),
    fault(9, "killed while listing", |r, c| {
        let (from, until) = span(c, 10..60);
        r.items.push(Item::Trouble(0, from, until, Trouble::WatchBreaks(kind(c))));
        r.items.push(Item::Trouble(0, from, until + Duration::from_secs(30), Trouble::DiesListing));
    }),
    elsewhere(
        10,
        "panic in one reconcile",
        "the engine has no panics (clippy denies them), and no reconciles",
    ),
    fault(11, "two leaders at once, 1 s to 60 s", |r, c| {
        r.replicas = r.replicas.max(2);
        let (from, until) = span(c, 1..60);
        r.items.push(Item::Trouble(1, from, until, Trouble::LeadsToo));
    }),
    fault(12, "the leader stands still for 60 s, and another leads", |r, c| {
        r.replicas = r.replicas.max(2);
        let (from, until) = span(c, 50..70);
        r.items.push(Item::Trouble(0, from, until, Trouble::Frozen));
        r.items.push(Item::Trouble(1, from + Duration::from_secs(15), until, Trouble::LeadsToo));
    }),
    fault(13, "the Lease is deleted by hand", |r, c| {
        r.replicas = r.replicas.max(2);
        let (from, until) = span(c, 10..30);
        r.items.push(Item::Trouble(0, from, until, Trouble::NoLease));
        r.items.push(Item::Trouble(1, from, until, Trouble::LeadsToo));
    }),
    fault(14, "renewals of the Lease fail, again and again", |r, c| {
        for _ in 0..c.within(2..6) {
            r.trouble(span(c, 5..40), Trouble::NoLease);
        }
    }),
    fault(15, "the process's clock runs at double speed", |r, _| {
        r.trouble((Duration::ZERO, Duration::from_secs(BUSY)), Trouble::ClockRunsFast);
    }),
    fault(16, "the wall clock jumps: an hour, or to 1970", |r, c| {
        let off = [-3600, 3600, 7200, -1_790_000_000];
        let off = c.pick(&off);
        r.trouble(span(c, 10..180), Trouble::WallIsOff(off));
    }),
    fault(17, "the way there is cut, and not the way back, or the reverse", |r, c| {
        let way = span(c, 10..120);
        if c.one_in(2) {
            r.trouble(way, Trouble::Answers(Outcome::Unavailable));
        } else {
            for kind in [Kind::Pod, Kind::Job, Kind::Workload, Kind::Policy] {
                r.trouble(way, Trouble::WatchBreaks(kind));
            }
        }
    }),
    fault(18, "ADDED is lost", |r, c| r.drops(c, What::Created)),
    fault(19, "MODIFIED is lost", |r, c| r.drops(c, What::Replaced)),
    fault(20, "DELETED is lost", |r, c| r.drops(c, What::Deleted)),
    fault(21, "watch events come twice", |r, c| r.trouble(span(c, 30..180), Trouble::WatchRepeats)),
    fault(22, "events of different kinds come in another order", |r, c| {
        for _ in 0..2 {
            let lag = Trouble::WatchLags(Some(kind(c)), c.millis(500..20_000));
            r.trouble(span(c, 30..180), lag);
        }
    }),
    fault(23, "410 Gone in a watch", |r, c| {
        for _ in 0..3 {
            let broken = Trouble::WatchBreaks(kind(c));
            r.trouble(span(c, 1..20), broken);
        }
    }),
    elsewhere(
        24,
        "410 within a list in pages",
        "the engine sees whole lists: sim/src/api/tests/lists.rs",
    ),
    elsewhere(
        25,
        "streams of bookmarks alone",
        "the engine sees no bookmarks: src/watch/stream.rs",
    ),
    fault(26, "a list from an API server that has fallen behind", |r, c| {
        let (from, until) = span(c, 5..60);
        let kind = kind(c);
        r.items.push(Item::Deed(from, Deed::Remember(0)));
        r.items.push(Item::Trouble(0, from, until, Trouble::WatchBreaks(kind)));
        r.items.push(Item::Trouble(0, from, until + LISTED, Trouble::ListsOld(kind)));
    }),
    fault(27, "a watch that hangs", |r, c| {
        let kind = (!c.one_in(3)).then(|| kind(c));
        let lag = c.seconds(20..120);
        r.trouble(span(c, 20..120), Trouble::WatchLags(kind, lag));
    }),
    elsewhere(28, "a frame that is cut or no JSON", "the engine sees no bytes: src/watch/"),
    elsewhere(29, "unknown fields, no status", "the engine sees objects: engine/tests, fuzz/"),
    fault(30, "a Job is deleted, and another of its name comes", |r, c| {
        let jobs: Vec<_> = r.jobs().filter(|_| c.one_in(3)).collect();
        for (at, plan) in jobs {
            let gone = at + c.seconds(20..300);
            let job = (plan.namespace.clone(), plan.name.clone());
            r.items.push(Item::Deed(gone, Deed::Delete(job)));
            r.items.push(Item::Job(gone + c.millis(5..2000), plan));
        }
    }),
    fault(31, "a list is empty that should not be", |r, c| {
        let (from, until) = span(c, 1..30);
        let kind = kind(c);
        r.items.push(Item::Trouble(0, from, until, Trouble::WatchBreaks(kind)));
        r.items.push(Item::Trouble(0, from, until + LISTED, Trouble::ListsNothing(kind)));
    }),
    fault(32, "a kind is listed long after the others", |r, c| {
        let (from, until) = span(c, 20..120);
        r.items.push(Item::Deed(from, Deed::Kill(0)));
        r.items.push(Item::Deed(from + Duration::from_secs(1), Deed::Start(0)));
        r.items.push(Item::Trouble(0, from, until, Trouble::ListLags(kind(c))));
    }),
    fault(33, "its own writes are not seen yet", |r, c| {
        let lag = c.millis(300..10_000);
        let way = span(c, 60..180);
        r.trouble(way, Trouble::WatchLags(Some(Kind::Workload), lag));
        r.trouble(way, Trouble::WatchLags(Some(Kind::Job), lag));
    }),
    fault(34, "409 on each write: somebody else always writes first", |r, c| {
        r.answers(c, Outcome::Conflict);
    }),
    fault(35, "429 Too Many Requests", |r, c| r.answers(c, Outcome::Throttled)),
    fault(36, "500, 503, 504", |r, c| r.answers(c, Outcome::Unavailable)),
    fault(37, "a write takes 60 s", |r, c| {
        let lag = c.seconds(30..61);
        r.trouble(span(c, 20..120), Trouble::WritesLag(lag));
    }),
    elsewhere(38, "old and new versions at once", "there is one version so far"),
    fault(39, "a right is withdrawn (403)", |r, c| r.answers(c, Outcome::Forbidden)),
    fault(40, "an admission webhook refuses", |r, c| r.answers(c, Outcome::Rejected)),
    fault(41, "the answer is lost, the write is done", |r, c| {
        r.trouble(span(c, 10..120), Trouble::AnswersAreLost);
    }),
    elsewhere(
        42,
        "Kueue's CRDs are absent or appear late",
        "the model always has Kueue: engine/src/engine/tests",
    ),
    fault(43, "the image appears between decision and write", |r, c| {
        let images: Vec<String> = r.items.iter().filter_map(image).collect();
        for image in images {
            let well = Script::succeeds(c.millis(100..3000));
            r.items.push(Item::Deed(c.seconds(30..BUSY), Deed::Play(image, well)));
        }
        let lag = c.millis(100..4000);
        r.trouble((Duration::from_secs(5), Duration::from_secs(BUSY)), Trouble::WritesLag(lag));
    }),
    fault(44, "people delete, suspend and resume at the same time", |r, c| {
        for (at, plan) in r.jobs().collect::<Vec<_>>() {
            let job = (plan.namespace, plan.name);
            for _ in 0..2 {
                let at = at + c.seconds(1..400);
                let job = job.clone();
                let deed = match c.within(0..6) {
                    0 => Deed::Delete(job),
                    1 => Deed::SetSuspend(job, true),
                    2 => Deed::SetSuspend(job, false),
                    3 => Deed::SetActive(job, false),
                    4 => Deed::SetActive(job, true),
                    _ => Deed::Resume(job),
                };
                r.items.push(Item::Deed(at, deed));
            }
        }
    }),
    fault(45, "Kueue preempts and admits again at the same time", |r, c| {
        for (at, mut plan) in r.jobs().collect::<Vec<_>>() {
            if plan.queue.is_some() && c.one_in(2) {
                plan.name = format!("{}-first", plan.name);
                plan.priority = 100;
                r.items.push(Item::Job(at + c.seconds(5..300), plan));
            }
        }
        for (_, quota) in &mut r.cluster_queues {
            quota.within_cluster_queue = Some("LowerPriority".to_owned());
        }
    }),
    fault(46, "Pods are replaced as soon as they fail", |r, c| {
        for (at, plan) in r.jobs().collect::<Vec<_>>() {
            for _ in 0..3 {
                let job = (plan.namespace.clone(), plan.name.clone());
                r.items.push(Item::Deed(at + c.seconds(5..500), Deed::DeletePods(job)));
            }
        }
    }),
    fault(47, "a policy is edited, deleted, set to Enforce", |r, c| {
        for namespace in ["a", "b"] {
            for _ in 0..c.within(2..6) {
                r.change_policy(namespace, c);
            }
        }
    }),
    fault(48, "a registry is down: all jobs fail at once", |r, c| {
        let back = c.seconds(300..BUSY);
        let images: Vec<String> = r.items.iter().filter_map(image).collect();
        for image in images {
            let down = Answer::ConnectionRefused.message(Runtime::Containerd2, &image);
            let down = Script::fails(Duration::from_millis(200), down);
            r.items.push(Item::Deed(Duration::ZERO, Deed::Play(image.clone(), down)));
            let well = Script::succeeds(c.seconds(1..20));
            r.items.push(Item::Deed(back, Deed::Play(image, well)));
        }
    }),
];

/// A list is made that long after its watch is whole again, at most.
const LISTED: Duration = Duration::from_millis(100);

fn image(item: &Item) -> Option<String> {
    if let Item::Image(image, _) = item { Some(image.clone()) } else { None }
}

impl Recipe {
    fn trouble(&mut self, (from, until): Span, trouble: Trouble) {
        self.items.push(Item::Trouble(0, from, until, trouble));
    }

    fn dies(&mut self, chance: &mut Chance, trouble: Trouble) {
        let (from, _) = span(chance, 1..2);
        self.trouble((from, from + Duration::from_secs(600)), trouble);
    }

    fn drops(&mut self, chance: &mut Chance, what: What) {
        for _ in 0..2 {
            let drops = Trouble::WatchDrops(kind(chance), what);
            self.trouble(span(chance, 5..90), drops);
        }
    }

    fn answers(&mut self, chance: &mut Chance, outcome: Outcome) {
        self.trouble(span(chance, 10..180), Trouble::Answers(outcome));
    }

    fn jobs(&self) -> impl Iterator<Item = (Duration, crate::world::JobPlan)> {
        let jobs = self.items.iter().filter_map(|item| match item {
            Item::Job(at, plan) => Some((*at, plan.clone())),
            Item::Image(..) | Item::Deed(..) | Item::Trouble(..) => None,
        });
        jobs.collect::<Vec<_>>().into_iter()
    }

    /// The authors of more Jobs have said what follows when a Pod is ended.
    fn with_authors(&mut self, chance: &mut Chance) {
        for item in &mut self.items {
            if let Item::Job(_, plan) = item
                && chance.one_in(2)
            {
                plan.author = Some(crate::world::Author::Fail);
            }
        }
    }
}
