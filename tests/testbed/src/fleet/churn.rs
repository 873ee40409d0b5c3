//! What happens in the cluster: a stream of watch events at a steady rate, and Jobs whose image does not
//! exist.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior};

use super::formula::{Kind, Status, mix};
use super::{Fleet, PODS_PER_JOB};

/// Events are sent together that fall due within so long.
const TICK: Duration = Duration::from_millis(2);
/// How long after a Pod was replaced its container starts.
const START: Duration = Duration::from_secs(2);
/// What the kubelet says of the first Pod of a Job that fails, and how long after the first.
const STORY: [(u64, Status); 4] = [
    (0, Status::Creating),
    (1000, Status::FailedPull),
    (2000, Status::BackOff),
    (4000, Status::FailedPull),
];
/// How often a watch without events is sent a bookmark.
const BOOKMARK: Duration = Duration::from_secs(30);

/// What is to happen.
#[derive(Clone, Copy, Debug)]
pub struct Churn {
    /// Watch events in a second: six of ten about Pods, two about Jobs, two about Workloads, and now and
    /// then a node. One of 50 events about a running Pod replaces it by another.
    pub rate: u32,
    /// How long.
    pub lasts: Duration,
    /// Jobs whose first Pod fails twice, spread over that time.
    pub failing: usize,
    /// Whether the Jobs of the flood do so as well: all within a second, a quarter of that time after the beginning.
    pub flood: bool,
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Churned {
    /// Events that were sent.
    pub events: u64,
    /// The longest that the stream was behind: the clients were slow.
    pub behind: Duration,
}

/// Something that is due at a time.
struct Due {
    at: Instant,
    pod: usize,
    status: Status,
    /// It reaches the threshold.
    decides: bool,
}

/// The lines of each kind that are sent together.
type Lines = BTreeMap<Kind, Vec<u8>>;

impl Fleet {
    /// Lets things happen. `first` is the number of failing Jobs that were used up before.
    pub async fn churn(&self, plan: Churn, first: usize) -> Churned {
        let began = Instant::now();
        let mut due = self.stories(plan, first, began);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut churned, mut bookmark) = (Churned::default(), began);
        let mut seed = mix(first as u64);
        while began.elapsed() < plan.lasts || !due.is_empty() {
            let ticked = tick.tick().await;
            let now = self.0.memory.now();
            let mut lines = Lines::default();
            let passed = ticked.duration_since(began).min(plan.lasts);
            let owed = passed.as_micros() * u128::from(plan.rate) / 1_000_000;
            while u128::from(churned.events) < owed {
                seed = mix(seed);
                churned.events += self.happen(seed, now, &mut lines, &mut due);
            }
            due.sort_by_key(|due| due.at);
            while due.first().is_some_and(|due| due.at <= ticked) {
                let next = due.remove(0);
                self.tell(&next, now, &mut lines);
                churned.events += 1;
            }
            if bookmark <= ticked {
                bookmark = ticked + BOOKMARK;
                self.bookmark(&mut lines);
            }
            for (kind, lines) in lines.into_iter().filter(|(_, lines)| !lines.is_empty()) {
                self.send(kind, lines.into()).await;
            }
            churned.behind = churned.behind.max(ticked.elapsed());
        }
        churned
    }

    /// What the Pods of the Jobs that fail are to say.
    fn stories(&self, plan: Churn, first: usize, began: Instant) -> Vec<Due> {
        let formula = &self.0.formula;
        let (flood, others): (Vec<usize>, Vec<usize>) = (0..self.jobs())
            .filter(|job| formula.is_ready_to_fail(*job))
            .partition(|job| formula.is_flooding(*job));
        let jobs: Vec<usize> = others.into_iter().skip(first).take(plan.failing).collect();
        let story = Duration::from_millis(STORY[3].0);
        let mut due = spread(&jobs, began, plan.lasts.saturating_sub(story));
        if plan.flood {
            due.extend(spread(&flood, began + plan.lasts / 4, Duration::from_secs(1)));
        }
        due
    }

    fn tell(&self, due: &Due, now: Timestamp, lines: &mut Lines) {
        let mut state = self.state();
        let at = (Kind::Pod, due.pod);
        Self::touch(&mut state, at, now);
        if let Some(change) = state.changed.get_mut(&at) {
            change.status = Some(due.status);
        }
        if due.decides {
            state.ripe.insert(due.pod / PODS_PER_JOB, Instant::now());
        }
        lines.entry(Kind::Pod).or_default().extend(self.line(&state, "MODIFIED", at));
    }

    /// One thing happens, by chance; returns how many events that makes.
    fn happen(&self, chance: u64, now: Timestamp, lines: &mut Lines, due: &mut Vec<Due>) -> u64 {
        let kind = match chance % 1000 {
            0..600 => Kind::Pod,
            600..800 => Kind::Job,
            800..997 => Kind::Workload,
            _ => Kind::Node,
        };
        let of = self.0.formula.count(kind) as u64;
        let at = (kind, usize::try_from((chance >> 16) % of).unwrap_or_default());
        let mut state = self.state();
        let lines = lines.entry(kind).or_default();
        let replaced = kind == Kind::Pod && (chance >> 56).is_multiple_of(50);
        if replaced && self.0.formula.status(at.1) == Status::Running {
            Self::touch(&mut state, at, now);
            lines.extend(self.line(&state, "DELETED", at));
            Self::touch(&mut state, at, now);
            if let Some(change) = state.changed.get_mut(&at) {
                change.life += 1;
                (change.born, change.status) = (Some(now), Some(Status::Creating));
            }
            lines.extend(self.line(&state, "ADDED", at));
            due.push(Due {
                at: Instant::now() + START,
                pod: at.1,
                status: Status::Running,
                decides: false,
            });
            return 2;
        }
        // What a Job that fails says is the story's.
        if kind == Kind::Pod && self.0.formula.is_ready_to_fail(at.1 / PODS_PER_JOB) {
            return 0;
        }
        Self::touch(&mut state, at, now);
        lines.extend(self.line(&state, "MODIFIED", at));
        1
    }

    fn bookmark(&self, lines: &mut Lines) {
        let version = self.state().version;
        for kind in Kind::ALL {
            let (name, api) = (kind.name(), kind.api_version());
            lines.entry(kind).or_default().extend_from_slice(
                format!(
                    r#"{{"type":"BOOKMARK","object":{{"kind":"{name}","apiVersion":"{api}","metadata":{{"resourceVersion":"{version}"}}}}}}{}"#,
                    "\n"
                )
                .as_bytes(),
            );
        }
    }
}

/// What the first Pods of these Jobs say, one Job after the other within so long.
fn spread(jobs: &[usize], from: Instant, within: Duration) -> Vec<Due> {
    let of = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
    let starts = (0_u32..).zip(jobs).map(|(number, job)| (job, from + within * number / of));
    let last = STORY.len() - 1;
    starts
        .flat_map(|(job, start)| {
            STORY.into_iter().enumerate().map(move |(place, (after, status))| Due {
                at: start + Duration::from_millis(after),
                pod: job * PODS_PER_JOB,
                status,
                decides: place == last,
            })
        })
        .collect()
}
