//! From files to cases that can be played: suites, their policies and objects, each mistake with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::time::Duration;

use dislodge_engine::objects::Key;

use super::format::{
    API_VERSION, Case as Written, Expectation, ExpectedAction, KIND, OneJob, Suite,
};
use super::objects::{self, Seen};
use super::reason;
use crate::classify::shown::plain;
use crate::lint;
use crate::scenario::{self, Applied, Image, Job, LONGEST, Scenario};
use crate::source::tree::{self, Node, Position};
use crate::source::{self, Unreadable};

/// How long a case is played that does not say so, in seconds.
const USUAL_PLAY: u64 = 3600;
/// The longest name of a case, rule or policy, in characters.
const LONGEST_NAME: usize = 253;
/// The namespace where nobody names one: kubectl's.
const USUAL_NAMESPACE: &str = "default";

/// A suite that can be played.
#[derive(Debug)]
pub(super) struct Ready {
    /// The file, as it is shown.
    pub(super) file: String,
    pub(super) policies: Vec<Applied>,
    pub(super) cases: Vec<Case>,
}

/// A case that can be played.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) at: Position,
    pub(super) subject: Subject,
    /// What is expected of each job, in order.
    pub(super) expected: Vec<Expected>,
}

/// What a case is about.
#[derive(Debug)]
pub(super) enum Subject {
    /// Jobs that are played, and when each is submitted.
    Played { scenario: Box<Scenario>, submitted: BTreeMap<Key, Duration> },
    /// Objects as they are at one time.
    Seen(Box<Seen>),
}

/// An expectation of one job.
#[derive(Debug)]
pub(super) struct Expected {
    /// The job; `None`: the only one of the objects.
    pub(super) job: Option<Key>,
    /// How many decisions on that job are expected before this one.
    pub(super) after: usize,
    pub(super) what: Expectation,
    /// Where its fields stand.
    places: BTreeMap<&'static str, Position>,
    at: Position,
}

impl Expected {
    /// Where a field stands, or the expectation that has none.
    pub(super) fn place(&self, field: &str) -> Position {
        self.places.get(field).copied().unwrap_or(self.at)
    }
}

/// A mistake in a suite, and where it is. Its texts are harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) file: String,
    pub(super) at: Position,
    pub(super) what: String,
}

impl Mistake {
    pub(super) fn new(file: &str, at: Position, what: &str) -> Self {
        let what = plain(&dislodge_engine::api::clip(what, 600)).into_owned();
        Self { file: file.to_owned(), at, what }
    }

    /// A file or a folder that cannot be read.
    pub(super) fn unreadable(path: &Path, why: &Unreadable) -> Self {
        let file = shown(path);
        Self::new(&file, Position::START, &format!("{}: {}", why.wrong, why.advice))
    }
}

/// How a path is shown.
pub(super) fn shown(path: &Path) -> String {
    plain(&path.to_string_lossy()).into_owned()
}

/// Reads a suite, with all that it names.
pub(super) fn suite(path: &Path) -> Result<Ready, Vec<Mistake>> {
    let text = source::open(path).map_err(|why| vec![Mistake::unreadable(path, &why)])?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    written(shown(path), folder, &text)
}

/// The suite of a text; what it names is relative to this folder.
pub(super) fn written(file: String, folder: &Path, text: &str) -> Result<Ready, Vec<Mistake>> {
    let (tree, suite) = parse(text).map_err(|(at, what)| vec![Mistake::new(&file, at, &what)])?;
    Reader { file, folder, tree, mistakes: Vec::new() }.whole(suite)
}

fn parse(text: &str) -> Result<(Node, Suite), (Position, String)> {
    let mut trees = tree::parse(text)?.into_iter();
    let expected = format!("expected one document of apiVersion {API_VERSION} and kind {KIND}");
    let tree = trees.next().ok_or_else(|| (Position::START, format!("is empty: {expected}")))?;
    if let Some(more) = trees.next() {
        return Err((more.at, format!("there is more than one document: {expected}")));
    }
    for (field, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        match tree.text(field) {
            Some(found) if found == wanted => {}
            found => {
                let found = found.map_or_else(|| "missing".to_owned(), |text| format!("{text:?}"));
                return Err((tree.position(field), format!("{field} is {found}: {expected}")));
            }
        }
    }
    let suite = tree::typed(text)?;
    Ok((tree, suite))
}

/// Reads one suite, and goes on after a mistake as far as it can.
struct Reader<'a> {
    file: String,
    folder: &'a Path,
    tree: Node,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn whole(mut self, suite: Suite) -> Result<Ready, Vec<Mistake>> {
        let (policies, namespace) = self.policies(&suite);
        let (mut cases, mut names) = (Vec::new(), BTreeSet::new());
        for (number, case) in suite.cases.into_iter().enumerate() {
            let place = format!("cases[{number}]");
            let (name, length) = (case.name.clone(), case.name.chars().count());
            if !(1..=LONGEST_NAME).contains(&length) {
                let what = format!("a name of {length} characters: expected 1 to {LONGEST_NAME}");
                self.mistake(&format!("{place}.name"), &what);
            } else if !names.insert(name.clone()) {
                self.mistake(&format!("{place}.name"), &format!("{name:?} is a case already"));
            }
            match self.case(&place, case, &namespace, &policies) {
                Ok(case) => cases.push(case),
                Err((field, what)) => self.mistake(&format!("{place}.{field}"), &what),
            }
        }
        if cases.is_empty() && self.mistakes.is_empty() {
            self.mistake("cases", "there is no case: expected one or more");
        }
        if self.mistakes.is_empty() {
            Ok(Ready { file: self.file, policies, cases })
        } else {
            Err(self.mistakes)
        }
    }

    fn mistake(&mut self, place: &str, what: &str) {
        let at = self.tree.position(place);
        self.mistakes.push(Mistake::new(&self.file, at, what));
    }

    /// The policies of the suite, and the namespace of what names none.
    fn policies(&mut self, suite: &Suite) -> (Vec<Applied>, String) {
        let mut stored = Vec::new();
        for (number, named) in suite.policies.iter().enumerate() {
            let place = format!("policies[{number}]");
            let (path, text) = match named_file(self.folder, named) {
                Ok(read) => read,
                Err(what) => {
                    self.mistake(&place, &what);
                    continue;
                }
            };
            match lint::accepted(&path, &text) {
                Ok(policies) if policies.is_empty() => {
                    self.mistake(&place, &format!("{named:?} has no ImagePullPolicy in it"));
                }
                Ok(policies) => stored.extend(policies),
                Err(refused) => {
                    let mistakes =
                        refused.into_iter().map(|(at, what)| Mistake::new(&path, at, &what));
                    self.mistakes.extend(mistakes);
                }
            }
        }
        if suite.policies.is_empty() {
            self.mistake("policies", "there is no policy: name the files that have them");
        }
        let named: BTreeSet<&str> = stored
            .iter()
            .filter_map(|policy| policy.pointer("/metadata/namespace")?.as_str())
            .filter(|namespace| !namespace.is_empty())
            .collect();
        let namespace = match (&suite.namespace, named.first()) {
            (Some(namespace), _) => namespace.clone(),
            (None, Some(_)) if named.len() > 1 => {
                let what = "the policies are of several namespaces: say with `namespace` of which \
                            the jobs are that name none";
                self.mistake("policies", what);
                String::new()
            }
            (None, Some(namespace)) => (*namespace).to_owned(),
            (None, None) => USUAL_NAMESPACE.to_owned(),
        };
        let mut policies: Vec<Applied> =
            stored.iter().map(|policy| Applied::read(policy, &namespace)).collect();
        for policy in &mut policies {
            policy.spec.mode = suite.mode.unwrap_or(policy.spec.mode);
        }
        let mut seen = BTreeSet::new();
        for policy in &policies {
            if !seen.insert((&policy.namespace, &policy.name)) {
                let what = format!("policy {}/{} is there twice", policy.namespace, policy.name);
                self.mistake("policies", &what);
            }
        }
        (policies, namespace)
    }

    /// A case; or the field that is wrong, and what is wrong with it.
    fn case(
        &self,
        place: &str,
        case: Written,
        namespace: &str,
        policies: &[Applied],
    ) -> Result<Case, (String, String)> {
        let at = self.tree.position(place);
        let several = !case.jobs.is_empty();
        let subjects = [case.job.is_some(), several, case.objects.is_some()];
        if subjects.into_iter().filter(|is| *is).count() != 1 {
            let what = "expected exactly one of `job`, `jobs`, `objects`";
            return Err((String::new(), what.to_owned()));
        }
        if let Some(objects) = &case.objects {
            let names = ["images", "queues", "nodes", "events", "forSeconds"];
            let node = self.tree.at(place);
            if let Some(field) = names.iter().find(|name| node.is_some_and(|n| n.has(name))) {
                let what =
                    format!("`{field}` and `objects` do not go together: objects are not played");
                return Err(((*field).to_owned(), what));
            }
            let seen = objects::read(objects, self.folder, namespace, policies)
                .map_err(|what| ("objects".to_owned(), what))?;
            let expected = self.expected(place, case.expect.as_slice(), namespace, None)?;
            return Ok(Case {
                name: case.name,
                at,
                subject: Subject::Seen(Box::new(seen)),
                expected,
            });
        }
        let (expect, name, wanted) = (case.expect.clone(), case.name.clone(), case.for_seconds);
        let mut scenario = Scenario {
            duration_seconds: 1,
            pods_ready_timeout_seconds: case.pods_ready_timeout_seconds,
            nodes: case.nodes,
            queues: case.queues,
            images: case.images,
            jobs: case.jobs,
            events: case.events,
            policies: Vec::new(),
        };
        if let Some(job) = case.job {
            add(job, &mut scenario).map_err(|what| ("job".to_owned(), what))?;
        }
        scenario.place_in(namespace);
        scenario.add_missing_queues();
        scenario::check(&scenario).map_err(|what| {
            // A refusal begins with its place.
            let what = if several { what } else { in_one_job(&what) };
            (what.split([' ', ':']).next().unwrap_or_default().to_owned(), what)
        })?;
        let submitted: BTreeMap<Key, Duration> = scenario
            .submissions()
            .map(|(namespace, name, at)| (Key::new(namespace, name), at))
            .collect();
        let expected = self.expected(place, expect.as_slice(), namespace, Some(&submitted))?;
        let asked = expected.iter().filter_map(|expected| {
            let Expectation { at_seconds, before_seconds, after_seconds, .. } = &expected.what;
            [at_seconds, before_seconds, after_seconds].into_iter().flatten().max().copied()
        });
        let asked = asked.max().unwrap_or(0);
        let plays = wanted.unwrap_or_else(|| USUAL_PLAY.max(asked + 1));
        if !(1..=LONGEST).contains(&plays) {
            let what = format!("{plays} seconds are played, expected 1 to {LONGEST}");
            return Err(("forSeconds".to_owned(), what));
        }
        if asked > plays {
            let what = format!("{plays} seconds are played, and `expect` asks for second {asked}");
            return Err(("forSeconds".to_owned(), what));
        }
        let last = submitted.values().max().copied().unwrap_or_default().as_secs();
        scenario.duration_seconds = last + plays;
        let subject = Subject::Played { scenario: Box::new(scenario), submitted };
        Ok(Case { name, at, subject, expected })
    }

    /// What is expected of which job. `jobs`: `None` for objects.
    fn expected(
        &self,
        place: &str,
        expect: &[Expectation],
        namespace: &str,
        jobs: Option<&BTreeMap<Key, Duration>>,
    ) -> Result<Vec<Expected>, (String, String)> {
        let mut expected: Vec<Expected> = Vec::new();
        let is_list = self.tree.at(&format!("{place}.expect")).is_some_and(Node::is_list);
        if expect.is_empty() {
            return Err(("expect".to_owned(), "nothing is expected".to_owned()));
        }
        for (number, what) in expect.iter().enumerate() {
            let field = if is_list { format!("expect[{number}]") } else { "expect".to_owned() };
            let wrong = |name: &str, what: String| (format!("{field}.{name}"), what);
            check(what, jobs.is_some()).map_err(|(name, what)| wrong(name, what))?;
            let job = job_of(what, namespace, jobs).map_err(|what| wrong("job", what))?;
            let before = expected.iter().rev().find(|before| before.job == job);
            let after = match before {
                Some(before) if before.what.action == ExpectedAction::None => {
                    let what = "nothing can follow on nothing: `action: None` comes last";
                    return Err(wrong("action", what.to_owned()));
                }
                Some(_) if jobs.is_none() => {
                    let what = "objects are looked at once: expected one entry a job";
                    return Err(wrong("action", what.to_owned()));
                }
                Some(before) => before.after + 1,
                None => 0,
            };
            let path = format!("{place}.{field}");
            let places = FIELDS.into_iter().filter_map(|name| {
                let has = self.tree.at(&path).is_some_and(|node| node.has(name));
                has.then(|| (name, self.tree.position(&format!("{path}.{name}"))))
            });
            let (places, at) = (places.collect(), self.tree.position(&path));
            expected.push(Expected { job, after, what: what.clone(), places, at });
        }
        Ok(expected)
    }
}

/// The fields of an expectation that are compared.
pub(super) const FIELDS: [&str; 9] = [
    "action",
    "reason",
    "cause",
    "rule",
    "policy",
    "failedPulls",
    "atSeconds",
    "beforeSeconds",
    "afterSeconds",
];

/// A file that a suite names, as it is shown, and its text.
pub(super) fn named_file(folder: &Path, named: &str) -> Result<(String, String), String> {
    let relative = Path::new(named);
    let stays = |part: Component<'_>| !matches!(part, Component::RootDir | Component::Prefix(_));
    if named.is_empty() || !relative.components().all(stays) {
        return Err(format!("{named:?} is no path relative to the suite's folder"));
    }
    let path = folder.join(relative);
    let text = source::open_named(&path)
        .map_err(|why| format!("{:?} {}: {}", named, why.wrong, why.advice))?;
    Ok((shown(&path), text))
}

/// The job of a case that has one, as a scenario has it.
fn add(job: OneJob, scenario: &mut Scenario) -> Result<(), String> {
    let OneJob { name, namespace, queue, image, pulls, runs_seconds, pods } = job;
    if !pulls.is_empty() {
        if scenario.images.iter().any(|known| known.image == image) {
            return Err(format!("image {image:?} stands in `images`, too: give its pulls once"));
        }
        scenario.images.insert(0, Image { image: image.clone(), pulls, runs_seconds });
    } else if runs_seconds.is_some() {
        return Err("`runsSeconds` needs `pulls`".to_owned());
    }
    scenario.jobs.push(Job { queue, pods, ..Job::new(&namespace, &name, &image) });
    Ok(())
}

/// What is said of a scenario, as it is said of a case of one job.
fn in_one_job(what: &str) -> String {
    let images = what.strip_prefix("images[0]");
    let rest = images.or_else(|| what.strip_prefix("jobs[0]"));
    rest.map_or_else(|| what.to_owned(), |rest| format!("job{rest}"))
}

/// What an expectation cannot be meant to say: the field, and what is wrong.
fn check(what: &Expectation, is_played: bool) -> Result<(), (&'static str, String)> {
    let times = [
        ("atSeconds", what.at_seconds),
        ("beforeSeconds", what.before_seconds),
        ("afterSeconds", what.after_seconds),
    ];
    let given: Vec<(&str, u64)> =
        times.into_iter().filter_map(|(name, time)| Some((name, time?))).collect();
    for (name, time) in given.iter().copied() {
        if !is_played {
            return Err((
                name,
                format!("`{name}` has no meaning for objects: they are not played"),
            ));
        }
        if time > LONGEST {
            return Err((name, format!("{time}, expected 0 to {LONGEST}")));
        }
    }
    if what.at_seconds.is_some() && given.len() > 1 {
        return Err(("atSeconds", "`atSeconds` says all: leave the other times out".to_owned()));
    }
    if let (Some(after), Some(before)) = (what.after_seconds, what.before_seconds)
        && after > before
    {
        return Err(("afterSeconds", format!("nothing is after {after} and before {before}")));
    }
    if what.action == ExpectedAction::None {
        let name = match what {
            Expectation { at_seconds: Some(_), .. } => "atSeconds",
            Expectation { after_seconds: Some(_), .. } => "afterSeconds",
            _ => "",
        };
        if !name.is_empty() {
            return Err((name, "nothing has no time: write `beforeSeconds`".to_owned()));
        }
    }
    if let Some(word) = &what.reason
        && !reason::ALL.contains(&word.as_str())
    {
        let all = reason::ALL.join(", ");
        return Err(("reason", format!("{word:?} is no reason: expected one of {all}")));
    }
    for (name, text) in [("rule", &what.rule), ("policy", &what.policy), ("job", &what.job)] {
        if text.as_ref().is_some_and(|text| text.chars().count() > 2 * LONGEST_NAME) {
            return Err((name, format!("is longer than {} characters", 2 * LONGEST_NAME)));
        }
    }
    Ok(())
}

/// The job that an expectation is about.
fn job_of(
    what: &Expectation,
    namespace: &str,
    jobs: Option<&BTreeMap<Key, Duration>>,
) -> Result<Option<Key>, String> {
    let named = what.job.as_deref().map(|job| match job.split_once('/') {
        Some((namespace, name)) => Key::new(namespace, name),
        None => Key::new(namespace, job),
    });
    let Some(jobs) = jobs else { return Ok(named) };
    match named {
        Some(key) if jobs.contains_key(&key) => Ok(Some(key)),
        Some(key) => Err(format!(
            "the case has no job {key} (one with a `count` is called NAME-0, NAME-1 and so on)"
        )),
        None if jobs.len() == 1 => Ok(jobs.keys().next().cloned()),
        None => Err(format!("the case has {} jobs: say of which with `job`", jobs.len())),
    }
}
