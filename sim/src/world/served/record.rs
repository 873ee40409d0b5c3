//! What Dislodge writes by requests, as the history and its judge know it.

use std::time::Duration;

use dislodge_engine::api::{Action, BudgetUse};
use dislodge_engine::effect::{Event, EventType, Merge, Outcome, Part, Patch, Target, TargetKind};
use dislodge_engine::explain::REASON;
use dislodge_engine::objects::{Key, Uid};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Served;
use crate::api::{Answer, Body, Method, Request};
use crate::world::history::Sending;
use crate::world::server::Write;
use crate::world::{Judge, Violation};

/// What is known of a request of Dislodge besides what it says.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// When it was sent.
    pub at: Timestamp,
    /// How old the oldest change was by then that the sender's watches had yet to deliver.
    pub behind: Duration,
    /// Whether the sender held the Lease by then.
    pub leads: bool,
    /// It is not carried out, and this code is the answer.
    pub refused: Option<u16>,
}

/// Who looks at each step.
#[derive(Debug)]
pub(super) struct Judged {
    judge: Judge,
    broken: Option<Violation>,
}

impl Served {
    /// The same, looked at after each step by a judge.
    #[must_use]
    pub fn judged(mut self, judge: Judge) -> Self {
        self.judged = Some(Judged { judge, broken: None });
        self
    }

    /// The first rule that was broken so far.
    pub fn broken(&self) -> Option<&Violation> {
        self.judged.as_ref()?.broken.as_ref()
    }

    /// How many holds there were.
    pub fn holds(&self) -> u64 {
        self.judged.as_ref().map_or(0, |judged| judged.judge.holds())
    }

    /// Judges how it has ended.
    ///
    /// # Errors
    /// The first rule that was broken.
    pub fn conclude(&self) -> Result<(), Violation> {
        match (&self.judged, self.broken()) {
            (_, Some(broken)) => Err(broken.clone()),
            (Some(judged), None) => judged.judge.conclude(&self.world),
            (None, None) => Ok(()),
        }
    }

    pub(super) fn look(&mut self) {
        if let Some(judged) = self.judged.as_mut().filter(|judged| judged.broken.is_none()) {
            judged.broken = judged.judge.look(&self.world).err();
        }
    }

    /// Answers a request of Dislodge at that time, and notes what it writes.
    pub fn handle_ours(&mut self, request: &Request, sent: Sent, now: Timestamp) -> Answer {
        self.run_until(now);
        let (write, before) = (write(request), self.server.version());
        let answer = match sent.refused {
            Some(code) => self.refuse(code, write.as_ref()),
            None => self.answer(request, now),
        };
        if let Some(write) = write {
            let outcome = outcome(&answer);
            let at = self.world.now();
            let told = match (&write, outcome) {
                (Write::Publish(event), Ok(())) => self.world.history.told(at, event),
                _ => false,
            };
            let age = now.duration_since(sent.at);
            let sending = Sending {
                sent: at.saturating_sub(Duration::try_from(age).unwrap_or_default()),
                behind: sent.behind,
                leads: sent.leads,
                ahead: 0,
            };
            let news = told || (sent.refused.is_none() && self.server.version() > before);
            let outcome = outcome.map(|()| self.world.store.version());
            self.world.history.wrote((sending, at), &write, outcome, news);
        }
        self.look();
        answer
    }

    /// Does not carry out a request. Nobody meets a conflict without a newer version: somebody else has
    /// written first.
    fn refuse(&mut self, code: u16, write: Option<&Write>) -> Answer {
        if let (409, Some(write)) = (code, write) {
            self.world.write_first(write);
            self.show();
        }
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
            "status": "Failure", "message": "refused on purpose", "code": code});
        Answer::Done { code, body: Body::Object(status) }
    }
}

/// How a write turned out.
fn outcome(answer: &Answer) -> Result<(), Outcome> {
    let Answer::Done { code, body } = answer else { return Ok(()) };
    let exists = matches!(body, Body::Object(status) if status["reason"] == "AlreadyExists");
    Err(match code {
        200..300 => return Ok(()),
        409 if exists => Outcome::AlreadyDone,
        409 => Outcome::Conflict,
        404 => Outcome::Gone,
        401 | 403 => Outcome::Forbidden,
        429 => Outcome::Throttled,
        408 | 500.. => Outcome::Unavailable,
        _ => Outcome::Rejected,
    })
}

/// The write that a request is, where it is about a kind that is judged.
fn write(request: &Request) -> Option<Write> {
    let path = request.path.split('?').next().unwrap_or_default();
    let mut parts = path.split('/').skip_while(|part| *part != "namespaces").skip(1);
    let (namespace, plural) = (parts.next()?, parts.next()?);
    let (name, part) = (parts.next().unwrap_or_default(), parts.next());
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    if plural == "events" && request.method == Method::Post {
        return event(&body).map(Write::Publish);
    }
    let kind = match plural {
        "workloads" => TargetKind::Workload,
        "jobs" => TargetKind::Job,
        "pods" => TargetKind::Pod,
        "imagepullpolicies" => TargetKind::Policy,
        _ => return None,
    };
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let first = |pointers: &[&str]| pointers.iter().find_map(|pointer| text(pointer));
    let uid = first(&["/metadata/uid", "/preconditions/uid", "/0/value"]);
    let version = first(&["/metadata/resourceVersion", "/preconditions/resourceVersion"]);
    let target = Target {
        kind,
        key: Key::new(namespace, name),
        uid: Uid::parse(uid.unwrap_or_default()),
        resource_version: version.map(str::to_owned),
    };
    let media = request.content_type.as_str();
    match (request.method, kind) {
        (Method::Delete, _) => Some(Write::Delete(target)),
        (Method::Patch, TargetKind::Policy) if media.starts_with("application/json-patch") => {
            Some(Write::Status(target, Box::default()))
        }
        (Method::Patch, TargetKind::Policy) => {
            let budget = body.pointer("/status/budget").cloned().unwrap_or_default();
            let budget: BudgetUse = serde_json::from_value(budget).unwrap_or_default();
            Some(Write::Reserve(target, budget))
        }
        (Method::Patch, _) => {
            let strategic = media.starts_with("application/strategic");
            let merge = if strategic { Merge::Strategic } else { Merge::Json };
            let part = if part == Some("status") { Part::Status } else { Part::Main };
            Some(Write::Patch(target, Patch { merge, part, body }))
        }
        _ => None,
    }
}

fn event(body: &Value) -> Option<Event> {
    let text = |pointer: &str| {
        body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let action = text("/action");
    let actions = [Action::FailJob, Action::SuspendJob, Action::RequeueJob, Action::Report];
    let regarding = match text("/regarding/kind").as_str() {
        "Job" => TargetKind::Job,
        "Workload" => TargetKind::Workload,
        "Pod" => TargetKind::Pod,
        _ => return None,
    };
    Some(Event {
        name: text("/metadata/name"),
        regarding: Target {
            kind: regarding,
            key: Key::new(text("/regarding/namespace"), text("/regarding/name")),
            uid: Uid::parse(&text("/regarding/uid")),
            resource_version: None,
        },
        kind: if text("/type") == "Normal" { EventType::Normal } else { EventType::Warning },
        reason: REASON,
        // Of others the history keeps the words alone.
        action: actions
            .into_iter()
            .map(Action::as_str)
            .find(|known| *known == action)
            .unwrap_or(""),
        note: text("/note"),
    })
}
